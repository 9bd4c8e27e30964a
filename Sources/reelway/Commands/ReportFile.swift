import Foundation
import Media

/// Where `--report` goes: standard output, a file that appears when it is complete and may take another's place, or what
/// is no file, such as a device or a pipe.
enum ReportFile {
    case standardOutput
    case file(FileSink)
    case stream(FileHandle)

    /// Throws where the file can't be made.
    init(_ name: String) throws {
        if name == "-" {
            self = .standardOutput
            return
        }
        do {
            self = .file(try FileSink(path: name, overwrite: true))
        } catch {
            guard let stream = FileHandle(forWritingAtPath: name) else { throw error }
            // A file that can only be written where it is.
            try? stream.truncate(atOffset: 0)
            self = .stream(stream)
        }
    }

    /// To be called once.
    func write(_ report: Report) throws {
        let text = try JSON.text(of: report)
        switch self {
        case .standardOutput: print(text)
        case .file(let file): try file.finish(head: Array((text + "\n").utf8))
        case .stream(let stream): try stream.write(contentsOf: Data((text + "\n").utf8))
        }
    }
}
