internal import Foundation
internal import Glibc
internal import Synchronization

/// A temporary file without a name: it is gone with its last byte's reader, whatever ends the process.
final class SpoolFile: Sendable {
    private let folder: String
    /// Held for as long as the disk takes.
    private let descriptor: Mutex<Int32>
    private let length = Atomic<Int64>(0)

    /// Opens one in a folder. Throws `storage_rejected` where none can be made there.
    init(folder: String) throws(TransferError) {
        self.folder = folder
        var descriptor = open(folder, SpoolFile.unnamedFile | O_RDWR | O_CLOEXEC, 0o600)
        if descriptor < 0 {
            // Some file systems have no unnamed files: one whose name is taken away at once is the same.
            var template = Array("\(folder)/.reelway-XXXXXX".utf8CString)
            descriptor = mkstemp(&template)
            if descriptor >= 0 {
                unlink(template)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            }
        }
        guard descriptor >= 0 else {
            let why = String(cString: strerror(errno))
            throw TransferError(.storageRejected, "no temporary file can be made in \(folder): \(why); set TMPDIR")
        }
        self.descriptor = Mutex(descriptor)
    }

    deinit { end() }

    /// Bytes that were appended. Doesn't wait for the disk.
    var bytes: Int64 { length.load(ordering: .relaxed) }

    /// Adds bytes at the end.
    func append(_ bytes: [UInt8]) throws(TransferError) {
        try descriptor.withLock { descriptor throws(TransferError) in
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeBytes {
                    pwrite(
                        descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done,
                        off_t(self.bytes) + off_t(done))
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    let why = String(cString: strerror(errno))
                    throw TransferError(
                        .storageRejected,
                        "the temporary file in \(folder) can't be written: \(why); make room or set TMPDIR")
                }
                done += count
            }
            length.add(Int64(bytes.count), ordering: .relaxed)
        }
    }

    /// Reads `count` bytes that were appended before.
    func read(at offset: Int64, count: Int) throws(TransferError) -> [UInt8] {
        try descriptor.withLock { descriptor throws(TransferError) in
            var done = 0
            var failed = false
            let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                while done < count {
                    let got = pread(
                        descriptor, buffer.baseAddress?.advanced(by: done), count - done, off_t(offset) + off_t(done))
                    if got < 0, errno == EINTR { continue }
                    guard got > 0 else {
                        failed = true
                        break
                    }
                    done += got
                }
                filled = done
            }
            if failed { throw TransferError(.internal, "the temporary file in \(folder) lost bytes that were written") }
            return bytes
        }
    }

    /// Gives the disk's room back; nothing can be read any more.
    func end() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    /// Linux's O_TMPFILE, a macro Swift doesn't import: 0o20000000 | O_DIRECTORY.
    private static let unnamedFile: Int32 = 0o20000000 | O_DIRECTORY
}
