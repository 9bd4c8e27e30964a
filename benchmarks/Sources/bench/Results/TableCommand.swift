import ArgumentParser
import FoundationEssentials

/// Puts the tables of all kept results into benchmarks/README.md, each between its markers.
struct TableCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table", abstract: "Render the kept results into benchmarks/README.md.")

    func run() throws {
        var text = try Files.text(Workplace.readme)
        for part in ResultFile.parts {
            let cases = try ResultFile.load(part, from: Workplace.results)
            guard !cases.isEmpty else { continue }
            let table = "\n" + ResultTable.machines(cases) + "\n" + ResultTable.render(cases)
            text = try TableCommand.replacing(part, with: table, in: text)
        }
        try Files.write(text, to: Workplace.readme)
    }

    static func replacing(_ part: String, with table: String, in text: String) throws -> String {
        let (begin, end) = ("<!-- \(part) -->", "<!-- end of \(part) -->")
        guard let from = text.ranges(of: begin).first, let to = text.ranges(of: end).first,
            from.upperBound <= to.lowerBound
        else {
            throw BenchError("benchmarks/README.md has no markers \(begin) and \(end)")
        }
        return text[..<from.upperBound] + "\n" + table + text[to.lowerBound...]
    }
}
