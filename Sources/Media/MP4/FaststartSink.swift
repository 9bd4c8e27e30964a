/// Makes a fast-start MP4 in one pass, out of what the mov muxer writes to a seekable file.
///
/// ```
/// muxer writes      ftyp free mdat[ held media │ later media … ]  moov        and patches the size of mdat
///                                    │              │              │
///                                  kept       to the sink        kept
///                                    ▼         at once             ▼
/// finished file     ftyp moov (free) mdat[ held media │ later media … ]
///                   └──────── head, sent last ───────┘└──── body ────┘
/// ```
///
/// Only the head depends on the index, so the body leaves while the encoder still runs, no byte is read back and
/// no disk is needed. Object stores want the head's part to be at least 5 MiB: as much media is held as the sink needs.
///
/// A sink that writes a file has to know where the body begins before the index exists. So the head's length is
/// fixed when the first body bytes leave: a bound for the index is reserved and what it doesn't use becomes a
/// `free` box. A result that fits in the head alone is packed without one.
final class FaststartSink {
    private let sink: any ByteSink
    private let heldLimit: Int
    /// Bytes in front of the first media byte in the finished file, when there is a body.
    private let reservedPrefix: Int
    /// Seconds of the video, where its end is told of beforehand.
    private let expectedSeconds: Double?

    private var held: [UInt8] = []
    private var body: [UInt8] = []
    private var trailer: [UInt8] = []
    private var isInTrailer = false
    private var mediaEnd: Int64 = 0
    private var payloadStart = 0

    /// Media of the size of the room reserved for the index is held as well, so that a small result isn't mostly gap;
    /// four times as much where nobody knows the length and the room is the longest video's, but no more than this.
    private static let mostWorthPacking = 5 << 20
    /// Body bytes leave in pieces of this size, as they come from the muxer: what waits for a piece to be full is late.
    private static let pieceSize = 256 << 10
    /// What the muxer writes in front of the media is far smaller than this.
    private static let longestPreamble = 4096

    /// - Parameters:
    ///   - reservedPrefix: bound for the bytes in front of the media (`ftyp`, `moov`, `mdat` header).
    ///   - duration: the video's, in seconds, where it is known. Where not, the bound is the longest video's.
    ///   - isEncoded: the sink is told how much is to come. A copy comes as fast as its source, and what is sent of it has no
    ///     time to make up.
    init(_ sink: any ByteSink, reservedPrefix: Int, duration: Double?, isEncoded: Bool) {
        self.sink = sink
        self.reservedPrefix = reservedPrefix
        expectedSeconds = isEncoded ? duration : nil
        let worthPacking = min((duration == nil ? 4 : 1) * reservedPrefix, FaststartSink.mostWorthPacking)
        heldLimit = max(sink.mediaInHead, worthPacking) + FaststartSink.longestPreamble
        // Grown bit by bit it would leave its earlier selves behind in the heap.
        held.reserveCapacity(heldLimit)
    }

    /// To where in the video the muxer has got, in seconds.
    var secondsTaken = 0.0

    /// Bytes the muxer has given so far.
    var bytesTaken: Int64 { mediaEnd + Int64(trailer.count) }

    /// Takes what the muxer writes at `position` of its own file.
    func write(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws {
        var rest = UnsafeRawBufferPointer(rebasing: bytes[...])
        var position = position
        if isInTrailer, position >= mediaEnd {
            return try FaststartSink.overlay(&trailer, with: rest, at: Int(position - mediaEnd))
        }
        if position < heldLimit {
            let count = min(rest.count, heldLimit - Int(position))
            try FaststartSink.overlay(&held, with: UnsafeRawBufferPointer(rebasing: rest[..<count]), at: Int(position))
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            position += Int64(count)
            mediaEnd = max(mediaEnd, position)
        }
        guard !rest.isEmpty else { return }
        guard !isInTrailer, position == mediaEnd else {
            throw MediaError(.internal, "the muxer rewrote media that had already left")
        }
        mediaEnd += Int64(rest.count)
        while !rest.isEmpty {
            let count = min(rest.count, FaststartSink.pieceSize - body.count)
            body.append(contentsOf: rest[..<count])
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if body.count == FaststartSink.pieceSize { try passBodyOn() }
        }
    }

    /// From here on the muxer writes its index.
    func beginTrailer() { isInTrailer = true }

    /// What `seal` makes of the muxer's output.
    struct Sealed {
        /// Everything in front of the body.
        let head: [UInt8]
        /// The finished file's size.
        let fileBytes: Int64
    }

    /// Passes the rest of the body on and builds the head. The sink's `finish` is left to the caller, who looks
    /// at the head first.
    func seal() throws -> Sealed {
        guard isInTrailer else { throw MediaError(.internal, "the index was never written") }
        let preamble = try Preamble(held)
        let moov = try ChunkOffsets.moov(in: trailer)
        let media = held[min(preamble.payloadStart, held.count)...]
        let mediaBytes = mediaEnd - Int64(preamble.payloadStart)
        let mdatHeader = FaststartSink.mdatHeader(mediaBytes)
        let hasBody = mediaEnd > Int64(held.count)

        var padding = 0
        var shifted = try ChunkOffsets.shifted(moov, by: 0)
        // Shifting can turn 32-bit offsets into 64-bit ones, which lengthens the index: at most once.
        for _ in 0..<2 {
            let natural = preamble.ftyp.count + shifted.count + mdatHeader.count
            padding = hasBody && reservedPrefix >= natural + 8 ? reservedPrefix - natural : 0
            shifted = try ChunkOffsets.shifted(moov, by: Int64(natural + padding - preamble.payloadStart))
        }
        var head = preamble.ftyp
        head.reserveCapacity(head.count + shifted.count + padding + mdatHeader.count + media.count)
        head += shifted
        if padding > 0 {
            head += BigEndian.bytes(UInt32(padding)) + Array("free".utf8)
            head += [UInt8](repeating: 0, count: padding - 8)
        }
        head += mdatHeader
        head += media
        if !body.isEmpty { try passBodyOn() }
        return Sealed(head: head, fileBytes: Int64(head.count) + mediaEnd - Int64(held.count))
    }

    private func passBodyOn() throws {
        if payloadStart == 0 { payloadStart = try Preamble(held).payloadStart }
        if let expectedSeconds, secondsTaken > 0 {
            let toCome = Double(mediaEnd) * max(0, expectedSeconds - secondsTaken) / secondsTaken
            sink.expect(bytesToCome: Int64(min(toCome, 1e15)))
        }
        try sink.write(body, headLength: reservedPrefix + held.count - payloadStart)
        body = []
        body.reserveCapacity(FaststartSink.pieceSize)
    }

    /// Writes over what is there and appends the rest. A hole is the muxer's fault.
    private static func overlay(_ buffer: inout [UInt8], with bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        guard offset <= buffer.count else { throw MediaError(.internal, "the muxer left a hole in its output") }
        let over = min(bytes.count, buffer.count - offset)
        if over > 0 { buffer.replaceSubrange(offset..<(offset + over), with: bytes[..<over]) }
        buffer.append(contentsOf: bytes[over...])
    }

    private static func mdatHeader(_ mediaBytes: Int64) -> [UInt8] {
        if mediaBytes + 8 <= Int64(UInt32.max) { return BigEndian.bytes(UInt32(mediaBytes + 8)) + Array("mdat".utf8) }
        return BigEndian.bytes(UInt32(1)) + Array("mdat".utf8) + BigEndian.bytes(UInt64(mediaBytes + 16))
    }
}

/// What the muxer put in front of the first media byte.
private struct Preamble {
    let ftyp: [UInt8]
    let payloadStart: Int

    init(_ held: [UInt8]) throws {
        guard let size = BigEndian.uint32(held, at: 0), size >= 8, Int(size) <= held.count,
            held[4..<8].elementsEqual("ftyp".utf8)
        else { throw MediaError(.internal, "the muxer's file doesn't begin with ftyp") }
        ftyp = Array(held[..<Int(size)])
        // An 8-byte `free` keeps room for a 64-bit size: it is either still there or became part of the header.
        let first = Int(size)
        guard held.count >= first + 16 else { throw MediaError(.internal, "the muxer wrote no media") }
        let isLong = BigEndian.uint32(held, at: first) == 1
        let name = isLong ? held[(first + 4)..<(first + 8)] : held[(first + 12)..<(first + 16)]
        guard name.elementsEqual("mdat".utf8) else {
            throw MediaError(.internal, "the muxer's mdat is not where it is expected")
        }
        payloadStart = first + 16
    }
}
