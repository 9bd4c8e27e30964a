import Foundation
import Testing

/// A file system of a few bytes, where mounting one is permitted.
struct TinyDisk: Sendable {
    let path: String

    /// Runs the test on a disk of so many bytes; says so where there can't be one.
    static func with(bytes: Int, _ body: (TinyDisk) async throws -> Void) async throws {
        let folder = try TestFolder()
        let mount = try await Program.run(
            "/bin/mount", ["-t", "tmpfs", "-o", "size=\(bytes)", "tmpfs", folder.path], environment: [:])
        guard mount.status == 0 else {
            return print("skipped: no disk can be mounted here: \(mount.errors)")
        }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(TinyDisk(path: folder.path)))
        } catch {
            result = .failure(error)
        }
        _ = try await Program.run("/bin/umount", ["-l", folder.path], environment: [:])
        try result.get()
    }

    /// All that is there, folders too.
    var content: [String] { FileManager.default.subpaths(atPath: path) ?? [] }

    /// How many bytes are taken.
    var usedBytes: Int {
        let facts = try? FileManager.default.attributesOfFileSystem(forPath: path)
        return ((facts?[.systemSize] as? Int) ?? 0) - ((facts?[.systemFreeSize] as? Int) ?? 0)
    }
}
