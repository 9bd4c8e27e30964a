internal import Glibc

/// A file on disk as a source.
public final class FileSource: ByteSource {
    /// The path.
    public let name: String
    /// The file's size; `nil` for what can't be measured.
    public let length: Int64?
    /// True for a regular file.
    public let isSeekable: Bool
    private let descriptor: Int32
    private let isCancelled: @Sendable () -> Bool

    /// Opens the file. Throws `input_not_found` where there is none that can be read.
    ///
    /// - Parameter isCancelled: asked while a pipe, named like a file, has nothing to read, nor perhaps a writer; once true,
    ///   `read` throws `cancelled`.
    public init(path: String, isCancelled: @escaping @Sendable () -> Bool = { false }) throws {
        name = path
        self.isCancelled = isCancelled
        // A pipe without a writer opens at once, and is waited for where the wait can be ended.
        var descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        // Another program's lease on the file: it gives way to who waits.
        if descriptor < 0, errno == EWOULDBLOCK { descriptor = open(path, O_RDONLY | O_CLOEXEC) }
        self.descriptor = descriptor
        guard descriptor >= 0 else {
            throw MediaError(.inputNotFound, "\(path): \(String(cString: strerror(errno))); check the path")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            close(descriptor)
            throw MediaError(.inputNotFound, "\(path) is a directory; give a video file")
        }
        isSeekable = status.st_mode & S_IFMT == S_IFREG
        length = isSeekable ? Int64(status.st_size) : nil
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    deinit { close(descriptor) }

    /// Reads up to a buffer; see `ByteSource`.
    public func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        let count =
            isSeekable
            ? try PosixRead.read(descriptor, into: &buffer, at: offset, name)
            : try PosixRead.readNext(descriptor, into: &buffer, name, isCancelled: isCancelled)
        if count == 0, let length, offset < length {
            throw MediaError(.sourceTruncated, "\(name) became shorter while it was read")
        }
        return count
    }
}

/// Standard input as a source: bytes come once, in order.
public final class StandardInput: ByteSource {
    /// What messages call it.
    public let name = "standard input"
    /// Not known before the end.
    public let length: Int64? = nil
    /// A pipe goes forward only, and a file is taken for one.
    public let isSeekable = false
    private let isCancelled: @Sendable () -> Bool

    /// Reads from descriptor 0, which stays open.
    ///
    /// - Parameter isCancelled: asked while there is nothing to read; once true, `read` throws `cancelled`.
    public init(isCancelled: @escaping @Sendable () -> Bool = { false }) { self.isCancelled = isCancelled }

    /// Reads what comes next; see `ByteSource`.
    public func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        try PosixRead.readNext(STDIN_FILENO, into: &buffer, name, isCancelled: isCancelled)
    }
}

/// The one place that calls `read` and `pread`.
private enum PosixRead {
    /// Reads from a file, which has its bytes already.
    static func read(
        _ descriptor: Int32, into buffer: inout MutableRawSpan, at offset: Int64, _ name: String
    ) throws -> Int {
        while true {
            let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
            if count >= 0 { return count }
            guard errno == EINTR else { throw fault(name) }
        }
    }

    /// Waits for what comes next and reads it.
    ///
    /// `read` alone can't be ended: a signal has it go on waiting. And where nobody has opened a pipe to write to it yet,
    /// `read` takes that for its end; `poll` doesn't.
    static func readNext(
        _ descriptor: Int32, into buffer: inout MutableRawSpan, _ name: String, isCancelled: () -> Bool
    ) throws -> Int {
        while true {
            if isCancelled() { throw MediaError.cancelled }
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wanted, 1, 100) > 0 else { continue }
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 { return count }
            // Another reader of the same pipe may have been faster.
            guard errno == EINTR || errno == EAGAIN else { throw fault(name) }
        }
    }

    private static func fault(_ name: String) -> MediaError {
        MediaError(.sourceUnavailable, "\(name) can't be read: \(String(cString: strerror(errno)))")
    }
}

/// Counts the bytes that are read from a source.
final class CountedSource: ByteSource {
    private let source: any ByteSource
    /// Each byte as often as it was read.
    private(set) var bytesRead: Int64 = 0

    init(_ source: any ByteSource) { self.source = source }

    var name: String { source.name }
    var length: Int64? { source.length }
    var isSeekable: Bool { source.isSeekable }
    var seekRefusal: any Error { source.seekRefusal }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        let count = try source.read(into: &buffer, at: offset)
        bytesRead += Int64(count)
        return count
    }
}

/// Lets the front of a source that can't seek be read twice: once for its boxes, once by libavformat.
final class RewindableSource: ByteSource {
    private let source: any ByteSource
    private var front: [UInt8] = []
    private var isRecording = true

    init(_ source: any ByteSource) { self.source = source }

    var name: String { source.name }
    var length: Int64? { source.length }
    let isSeekable = false
    var seekRefusal: any Error { source.seekRefusal }

    /// From here on what is read is not kept; what was, is given once more.
    func stopRecording() { isRecording = false }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        if offset < Int64(front.count) {
            let start = Int(offset)
            let count = min(buffer.byteCount, front.count - start)
            buffer.withUnsafeMutableBytes { $0.copyBytes(from: front[start..<(start + count)]) }
            return count
        }
        if !isRecording, !front.isEmpty { front = [] }
        let count = try source.read(into: &buffer, at: offset)
        if isRecording { buffer.withUnsafeBytes { front.append(contentsOf: $0[..<count]) } }
        return count
    }
}
