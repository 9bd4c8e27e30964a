/// Where a video's bytes come from: a file, a pipe, a ranged download.
///
/// One thread at a time uses a source. The engine reads forward and, where the container asks for it, jumps.
public protocol ByteSource: AnyObject {
    /// How the user named it, for messages; never an address with a query.
    var name: String { get }

    /// How many bytes there are, where that is known before they have been read.
    var length: Int64? { get }

    /// Whether `read` takes any offset. Otherwise each read must begin where the last one ended.
    var isSeekable: Bool { get }

    /// The error of a source that can't take any offset and would have to. One that wraps another passes on the other's.
    var seekRefusal: any Error { get }

    /// Reads up to `buffer.byteCount` bytes that begin at `offset` into the front of `buffer`.
    ///
    /// - Returns: how many bytes were read; 0 only at the true end. A source that knows its length and ends
    ///   before it throws instead, so that a broken transfer never looks like an end.
    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int

    /// Called once the engine has read all it needs and before the result becomes visible.
    ///
    /// Throws where the bytes that were read are not the ones that were announced, e.g. by their hash.
    func verify() throws
}

extension ByteSource {
    /// A pipe's: what comes through it is somewhere as a file.
    public var seekRefusal: any Error {
        MediaError(
            .unsupportedContainer, "the index of \(name) lies behind its media and it can't seek; give the file's path")
    }

    /// Not every source knows what its bytes should be.
    public func verify() throws {}

    /// Reads `count` bytes that begin at `offset`; fewer only at the end.
    func read(_ count: Int, at offset: Int64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count, offset + Int64(filled) < length ?? .max {
            let read = try bytes.withUnsafeMutableBytes { buffer in
                var rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).mutableBytes
                return try self.read(into: &rest, at: offset + Int64(filled))
            }
            if read == 0 { break }
            filled += read
        }
        bytes.removeLast(count - filled)
        return bytes
    }
}

/// Where the finished MP4 goes, in the order in which a fast-start file can be made: the body as it grows, the
/// head (`ftyp`, `moov` and the first media) last.
///
/// One thread at a time uses a sink. Whatever happens, exactly one of `finish` and `abort` is the last call.
public protocol ByteSink: AnyObject {
    /// Where the result will be found, for messages and the report.
    var location: String { get }

    /// How many bytes of media the head has to hold at least, where there are that many. They wait in memory.
    var mediaInHead: Int { get }

    /// Takes the next bytes of the body. Called only if the file does not fit in its head alone.
    ///
    /// - Parameter headLength: how many bytes the head is going to have; the same in every call, so the first
    ///   byte of the body has this offset in the finished file.
    func write(_ bytes: [UInt8], headLength: Int) throws

    /// Told before a `write`: about how many bytes of body come after what it brings. A guess, better the nearer the end;
    /// never told of a copy, nor where nobody knows how long the video is.
    func expect(bytesToCome: Int64)

    /// Takes the head, the bytes in front of the body, and makes the result visible.
    ///
    /// Nothing is visible before this returns; if it throws, nothing is left behind.
    func finish(head: [UInt8]) throws

    /// SHA-256 of the finished result in hexadecimal; `nil` where it would have to be fetched back.
    func sha256() throws -> String?

    /// Throws everything away. Does nothing after `finish` has returned.
    func abort()
}

extension ByteSink {
    /// 256 KiB: what is smaller is worth packing without a gap.
    public var mediaInHead: Int { 1 << 18 }

    /// Only who sends pieces cares.
    public func expect(bytesToCome: Int64) {}

    /// No sink has to be able to read its result back.
    public func sha256() throws -> String? { nil }
}
