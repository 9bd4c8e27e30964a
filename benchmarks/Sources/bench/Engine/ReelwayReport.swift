import FoundationEssentials

/// What the bench reads of Reelway's own report.
struct ReelwayReport: Decodable {
    struct Plan: Decodable {
        struct Video: Decodable {
            let action: String
            let preset: String?
            let crf: Double?
        }
        let video: Video
    }
    struct Output: Decodable {
        let bytes: Int64
    }
    struct Timings: Decodable {
        let wallSeconds: Double
        let downloadSeconds: Double
        let encodeSeconds: Double
        let tailSeconds: Double
        let bytesRead: Int64
        let temporaryBytes: Int64
    }

    let plan: Plan?
    let output: Output?
    let timings: Timings

    init(_ path: String) throws {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw BenchError("there is no report \(path)")
        }
        self = try JSONDecoder().decode(ReelwayReport.self, from: bytes)
    }
}
