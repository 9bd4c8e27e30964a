internal import CLinux
internal import Crypto
internal import Glibc

/// A file on disk as a sink. It has no name until it is complete: nothing half-written is ever visible, and nothing
/// is left behind, whatever ends the process. Where the file system has no unnamed files, and for the moment in which one
/// takes another's place, it has a hidden name, which `isLeft` knows.
public final class FileSink: ByteSink {
    /// The path.
    public let location: String
    /// Where a link at the path leads, or the path itself.
    private let target: String
    private let overwrite: Bool
    private let isDurable: Bool
    /// Whether the file takes another's place.
    private var isReplacing = false
    private let makeFolder: (@Sendable () throws -> Void)?
    private var descriptor: Int32 = -1
    /// Set only where the file system has no unnamed files.
    private var temporaryPath: String?
    private var written: Int64 = 0
    private var headLength: Int64 = 0

    /// Prepares to write `path`. Throws `output_exists` where it is there already and `overwrite` is false, and
    /// `storage_rejected` where it is no file (a directory, a device, a pipe) or nothing can be made in its folder.
    ///
    /// - Parameters:
    ///   - isDurable: whether the file is to outlive a power failure from when `finish` returns. It waits for the disk then.
    ///   - makeFolder: makes the path's folder; called as often as the folder isn't there. A file without a name doesn't keep
    ///     its folder from being removed as empty. Without it a missing folder is an error.
    public init(
        path: String, overwrite: Bool, isDurable: Bool = false, makeFolder: (@Sendable () throws -> Void)? = nil
    ) throws {
        location = path
        // What a link leads to is replaced, not the link: that may be everyone's, such as /dev/stdout.
        target = FileSink.followed(path) ?? path
        self.overwrite = overwrite
        self.isDurable = isDurable
        self.makeFolder = makeFolder
        var status = stat()
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR {
                throw MediaError(.storageRejected, "\(path) is a directory; give a file name")
            }
            // The result would take its name, not go into it.
            if status.st_mode & S_IFMT != S_IFREG {
                throw MediaError(.storageRejected, "\(path) is a device or a pipe; give a file name")
            }
            if !overwrite { throw MediaError(.outputExists, "\(path) exists; choose another name or give --overwrite") }
            isReplacing = true
        } else if errno == ENAMETOOLONG {
            throw MediaError(.storageRejected, "\(path) can't be written: File name too long; give a shorter one")
        } else if !overwrite, lstat(path, &status) == 0 {
            throw MediaError(
                .outputExists, "\(path) exists as a link to nothing; choose another name or give --overwrite")
        }
        let folder = FileSink.folder(of: target)
        descriptor = try inFolder { open(folder, FileSink.unnamedFile | O_RDWR | O_CLOEXEC, 0o666) }
        if descriptor < 0, errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL {
            var template: [CChar] = []
            descriptor = try inFolder {
                template = Array("\(folder)/\(FileSink.hiddenPrefix(target))XXXXXX".utf8CString)
                return mkstemp(&template)
            }
            if descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                fchmod(descriptor, 0o644)
                temporaryPath = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
        }
        guard descriptor >= 0 else {
            let why = String(cString: strerror(errno))
            throw MediaError(.storageRejected, "\(path) can't be written: \(why); check its folder")
        }
    }

    deinit { abort() }

    /// Writes the next bytes of the body behind the room for the head.
    public func write(_ bytes: [UInt8], headLength: Int) throws {
        self.headLength = Int64(headLength)
        try put(bytes, at: self.headLength + written)
        // A bit at a time: a slow disk that got all at the end would seem to stand still.
        let isDue = written / FileSink.syncedBytes < (written + Int64(bytes.count)) / FileSink.syncedBytes
        if isDurable, isDue, fdatasync(descriptor) != 0 { throw writeError() }
        if isReplacing {
            // Some file systems (ext4) have a file on its way to the disk before it takes another's place: that begins here,
            // beside what is still to be done.
            reelway_begin_writing(descriptor, self.headLength + written, Int64(bytes.count))
        }
        written += Int64(bytes.count)
    }

    /// Writes the head and gives the file its name, which it keeps if then only the folder can't be put on the disk.
    public func finish(head: [UInt8]) throws {
        do {
            if written > 0, Int64(head.count) != headLength { try moveBody(to: Int64(head.count)) }
            try put(head, at: 0)
            if isDurable, fdatasync(descriptor) != 0 { throw writeError() }
            try giveName()
            if isDurable { try keepName() }
        } catch {
            abort()
            throw error
        }
        temporaryPath = nil
        close(descriptor)
        descriptor = -1
    }

    /// Lets go of the file, which then never existed.
    public func abort() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        if let temporaryPath { unlink(temporaryPath) }
        temporaryPath = nil
    }

    /// SHA-256 of the finished file in hexadecimal.
    public func sha256() throws -> String? { try FileSink.sha256(of: location) }

    /// SHA-256 of a file in hexadecimal. `onBytes` hears of each piece that is read, and may end it by an error.
    public static func sha256(of path: String, onBytes: (Int) throws -> Void = { _ in }) throws -> String {
        let source = try FileSource(path: path)
        var hash = SHA256()
        var offset: Int64 = 0
        while case let bytes = try source.read(1 << 20, at: offset), !bytes.isEmpty {
            hash.update(data: bytes)
            offset += Int64(bytes.count)
            try onBytes(bytes.count)
        }
        return hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    /// Whether a file of `path`'s folder, by its name, is what a process that was killed has left of its writing `path`; or
    /// what a living one writes there.
    public static func isLeft(_ name: String, of path: String) -> Bool { name.hasPrefix(hiddenPrefix(path)) }

    /// Whether two paths name one file, be it there or not.
    public static func isSame(_ path: String, _ other: String) -> Bool { place(of: path) == place(of: other) }

    /// Where a path leads; of a file that isn't there, where it would be.
    private static func place(of path: String) -> String {
        followed(path) ?? "\(followed(folder(of: path)) ?? folder(of: path))/\(name(of: path))"
    }

    /// Where a path leads through links; `nil`: nowhere.
    private static func followed(_ path: String) -> String? {
        let resolved = realpath(path, nil)
        defer { free(resolved) }
        return resolved.map { String(cString: $0) }
    }

    /// As much of the name as leaves room for what tells attempts apart.
    private static func hiddenPrefix(_ path: String) -> String {
        ".reelway-\(String(decoding: name(of: path).utf8.prefix(200), as: UTF8.self))-"
    }

    private static func name(of path: String) -> Substring {
        path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Calls what makes a name in the folder, and makes the folder where it is gone. Whoever removes empty folders may come
    /// between a few times, not for ever.
    private func inFolder(_ call: () -> Int32) throws -> Int32 {
        var result = call()
        var attempts = 0
        while result < 0, errno == ENOENT, let makeFolder, attempts < 8 {
            attempts += 1
            do { try makeFolder() } catch { if attempts == 8 { throw error } }
            result = call()
        }
        return result
    }

    private func giveName() throws {
        let from = temporaryPath ?? "/proc/self/fd/\(descriptor)"
        if !overwrite {
            // `link` refuses a name that came to be meanwhile; `rename` would replace it.
            if try inFolder({ linkat(AT_FDCWD, from, AT_FDCWD, target, AT_SYMLINK_FOLLOW) }) == 0 {
                if let temporaryPath { unlink(temporaryPath) }
                return
            }
            // FAT has no links.
            if let temporaryPath, [EPERM, EOPNOTSUPP, ENOSYS].contains(errno),
                FileSink.renameNew(temporaryPath, target)
            {
                return
            }
            if errno == EEXIST {
                throw MediaError(.outputExists, "\(location) came to exist meanwhile; nothing was replaced")
            }
        } else {
            let hidden =
                temporaryPath
                ?? "\(FileSink.folder(of: target))/\(FileSink.hiddenPrefix(target))\(UInt64.random(in: 0 ... .max))"
            // With a name in it the folder stays.
            if try temporaryPath != nil
                || inFolder({ linkat(AT_FDCWD, from, AT_FDCWD, hidden, AT_SYMLINK_FOLLOW) }) == 0
            {
                if rename(hidden, target) == 0 { return }
                unlink(hidden)
            }
        }
        throw MediaError(.storageRejected, "\(location) can't be given its name: \(String(cString: strerror(errno)))")
    }

    /// Puts the name on the disk: the folder, and the folder's own name, which may be as new.
    private func keepName() throws {
        let folder = FileSink.folder(of: target)
        for path in [folder, "\(folder)/.."] {
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(descriptor) }
            // A folder that mustn't be read, and a file system that can't do it for folders, are left to themselves.
            if fsync(descriptor) != 0, errno != EBADF, errno != EINVAL { throw writeError() }
        }
    }

    /// Renames to a name that must be free; `errno` says why not.
    private static func renameNew(_ path: String, _ name: String) -> Bool {
        if reelway_rename_new(AT_FDCWD, path, name) == 0 { return true }
        // Where the file system can't refuse a taken name itself, it is looked for just before.
        guard errno == EINVAL || errno == ENOSYS else { return false }
        if access(name, F_OK) != 0 { return rename(path, name) == 0 }
        errno = EEXIST
        return false
    }

    /// The index became longer than its bound: more samples came than the source announced.
    private func moveBody(to start: Int64) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let shift = start - headLength
        var left = written
        while left > 0 {
            // From the end if it moves back, so that nothing is overwritten before it is read.
            let count = Int(min(left, Int64(buffer.count)))
            let at = shift > 0 ? headLength + left - Int64(count) : headLength + written - left
            guard pread(descriptor, &buffer, count, off_t(at)) == count else { throw writeError() }
            try put(Array(buffer[..<count]), at: at + shift)
            left -= Int64(count)
        }
        ftruncate(descriptor, off_t(start + written))
    }

    private func put(_ bytes: [UInt8], at offset: Int64) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset) + off_t(done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw writeError() }
            done += count
        }
    }

    private func writeError() -> MediaError {
        let isFull = errno == ENOSPC || errno == EDQUOT || errno == EFBIG
        return MediaError(
            isFull ? .storageRejected : .storageUnavailable,
            "\(location) can't be written: \(String(cString: strerror(errno)))\(isFull ? "; make room" : "")")
    }

    /// How much of a durable file the disk gets at once.
    private static let syncedBytes: Int64 = 32 << 20

    /// Linux's O_TMPFILE, a macro Swift doesn't import: 0o20000000 | O_DIRECTORY.
    private static let unnamedFile: Int32 = 0o20000000 | O_DIRECTORY
}
