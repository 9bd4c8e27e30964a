import FoundationEssentials
import Glibc
import Synchronization

/// The few things done with files.
enum Files {
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    static func text(_ path: String) throws -> String {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw BenchError("\(path) can't be read")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    }

    static func size(_ path: String) throws -> Int64 {
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw BenchError("there is no file \(path)") }
        return Int64(facts.st_size)
    }

    static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    static func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    static func names(in folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }

    static func rename(_ path: String, to other: String) throws {
        remove(other)
        try FileManager.default.moveItem(atPath: path, toPath: other)
    }
}

/// Numbers for names within this process.
enum UniqueNumber {
    private static let last = Mutex(0)

    static func next() -> Int {
        last.withLock {
            $0 += 1
            return $0
        }
    }
}
