import FoundationEssentials

/// What the bench reads of Reelway's own report.
struct ReelwayReport: Decodable {
    struct Plan: Decodable {
        struct Video: Decodable {
            let action: String
            let preset: String?
        }
        let video: Video
    }
    struct Timings: Decodable {
        let tailSeconds: Double
    }

    let plan: Plan?
    let timings: Timings

    init(_ path: String) throws {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw BenchError("there is no report \(path)")
        }
        self = try JSONDecoder().decode(ReelwayReport.self, from: bytes)
    }
}
