import Media

/// Where `--report` goes: standard output, or a file that appears when it is complete and may take another's place.
struct ReportFile {
    /// `nil`: standard output.
    private let file: FileSink?

    /// Throws where the file can't be made.
    init(_ name: String) throws { file = name == "-" ? nil : try FileSink(path: name, overwrite: true) }

    /// To be called once.
    func write(_ report: Report) throws {
        let text = try JSON.text(of: report)
        guard let file else { return print(text) }
        try file.finish(head: Array((text + "\n").utf8))
    }
}
