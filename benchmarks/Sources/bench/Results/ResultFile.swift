import FoundationEssentials

/// The measured cases of a part, one JSON file each.
enum ResultFile {
    /// In the order they are run and shown.
    static let parts = ["engine", "pareto", "stream", "service"]

    static func load(_ part: String, from folder: String) throws -> [CaseResult] {
        let path = "\(folder)/\(part).json"
        guard let bytes = FileManager.default.contents(atPath: path) else { return [] }
        do {
            return try JSONDecoder().decode([CaseResult].self, from: bytes)
        } catch {
            throw BenchError("\(path) is not a result file of this version: remove it")
        }
    }

    /// Replaces the case of the same name, or adds it in the place that `order` gives it.
    static func keep(_ result: CaseResult, part: String, order: [String]) throws {
        let folder = result.isQuick ? Workplace.folder + "/results" : Workplace.results
        var cases = try load(part, from: folder).filter { $0.name != result.name && order.contains($0.name) }
        cases.append(result)
        func place(_ result: CaseResult) -> Int { order.firstIndex(of: result.name) ?? order.count }
        cases.sort { place($0) < place($1) }
        let form = JSONEncoder()
        form.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Files.write(
            String(decoding: try form.encode(cases), as: UTF8.self) + "\n", to: "\(folder)/\(part).json")
    }
}

/// Today, as the results name it.
enum Today {
    static var text: String {
        String(Date.now.formatted(.iso8601.year().month().day().dateSeparator(.dash)).prefix(10))
    }
}
