/// Where the top-level boxes of an MP4 or QuickTime file lie, found by reading their headers alone.
///
/// This answers what has to be known before libavformat is let near the file: is the movie box in front, does the
/// file hold every byte its boxes announce. ISO/IEC 14496-12, section 4.2.
struct FileLayout: Sendable {
    /// One top-level box.
    struct Box: Sendable, Equatable {
        /// The four-character code, in Latin-1.
        let type: String
        /// Where its header begins.
        let offset: Int64
        /// Bytes of size, type and 64-bit size: 8 or 16.
        let headerSize: Int
        /// The whole box, header included; 0 where it runs to an end that is not known.
        let size: Int64

        /// Where its payload begins.
        var payloadOffset: Int64 { offset &+ Int64(headerSize) }
        /// The first byte behind it.
        var end: Int64 { offset &+ size }
    }

    /// How far to read.
    enum Extent: Sendable {
        /// Up to and with the movie box.
        case movie
        /// To the end of the file.
        case end
    }

    /// The movie box is held in memory; a larger one is refused. 64 MiB describe some four million samples.
    static let maximumMovieBytes: Int64 = 64 << 20
    /// Boxes read before the walk is given up.
    static let maximumBoxCount = 100_000

    /// The boxes in file order. The last one may be truncated, or the media a pipe stopped in front of.
    var boxes: [Box] = []
    /// The payload of the first `moov`.
    var moov: [UInt8]?
    /// The box that reaches beyond the end of the source.
    var truncatedBox: Box?
    /// Where something lies that cannot be a box, or where the walk was given up after too many.
    var malformedOffset: Int64?
    /// The major brand of `ftyp`: `isom`, `mp42`, `qt  ` …
    var majorBrand: String?

    /// Reads the layout of a source; `nil` where it does not begin as such a file.
    ///
    /// A source that cannot seek is read forward, and no further than the header of a media box that comes before
    /// the movie box: what lies behind it could be had only by swallowing the media.
    ///
    /// - Throws: what the source throws; `source_corrupt` where the movie box is larger than any real one.
    static func scan(_ source: any ByteSource, through extent: Extent) throws -> FileLayout? {
        var layout = FileLayout()
        var cursor = Cursor(source)
        var offset: Int64 = 0
        while true {
            guard layout.boxes.count < maximumBoxCount else {
                layout.malformedOffset = offset
                return layout
            }
            if let length = source.length, offset >= length { break }
            guard let header = try cursor.header(at: offset) else {
                if cursor.hasBytes(at: offset) { layout.malformedOffset = offset }
                break
            }
            if layout.boxes.isEmpty {
                guard firstTypes.contains(header.type) else { return nil }
                if header.type == "ftyp", header.headerSize == 8 { layout.majorBrand = cursor.brand }
            }
            let size = header.size == 0 ? source.length.map { $0 &- offset } ?? 0 : header.size
            let (end, overflow) = offset.addingReportingOverflow(size)
            guard !overflow, size == 0 || size >= Int64(header.headerSize) else {
                layout.malformedOffset = offset
                break
            }
            let box = Box(type: header.type, offset: offset, headerSize: header.headerSize, size: size)
            layout.boxes.append(box)
            if let length = source.length, end > length {
                layout.truncatedBox = box
                break
            }
            if box.type == "moov", layout.moov == nil {
                try layout.readMovie(box, with: &cursor)
                if layout.moov == nil { break }
                if extent == .movie { break }
            }
            if size == 0 { break }
            if !source.isSeekable {
                if box.type == "mdat", layout.moov == nil { break }
                guard try cursor.skip(to: end) else {
                    layout.truncatedBox = box
                    break
                }
            }
            offset = end
        }
        return layout.boxes.isEmpty ? nil : layout
    }

    /// Types that begin the files seen in practice; anything else is another kind of file.
    private static let firstTypes: Set<String> = [
        "ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp", "sidx", "uuid", "moof", "junk", "PICT",
        "udta", "meta", "prfl", "pdin", "emsg", "prft", "ediw",
    ]

    private mutating func readMovie(_ box: Box, with cursor: inout Cursor) throws {
        let payloadSize = box.size &- Int64(box.headerSize)
        guard payloadSize <= Self.maximumMovieBytes else {
            throw Self.tooLarge("\(payloadSize) bytes")
        }
        if box.size == 0 {
            let payload = try cursor.read(Self.maximumMovieBytes &+ 1, at: box.payloadOffset)
            guard payload.count <= Self.maximumMovieBytes else {
                throw Self.tooLarge("more bytes than its file announces")
            }
            moov = payload
            return
        }
        let payload = try cursor.read(payloadSize, at: box.payloadOffset)
        if Int64(payload.count) == payloadSize { moov = payload } else { truncatedBox = box }
    }

    private static func tooLarge(_ size: String) -> MediaError {
        MediaError(
            .sourceCorrupt,
            "the movie box holds \(size), at most \(maximumMovieBytes) are read; the file is damaged, export it again.")
    }
}

/// A place in a source, which a source that cannot seek only lets move forward.
private struct Cursor {
    private static let chunkBytes = 256 << 10
    private let source: any ByteSource
    /// Bytes read ahead of what was asked for, and where they begin.
    private var held: [UInt8] = []
    private var heldOffset: Int64 = 0

    init(_ source: any ByteSource) { self.source = source }

    /// Reads a header; `nil` where fewer bytes are left than one needs.
    mutating func header(at offset: Int64) throws -> BoxHeader? {
        try hold(BoxHeader.longest, at: offset)
        return BoxHeader(held[...])
    }

    /// The major brand of the `ftyp` whose `header` was read last.
    var brand: String? {
        var reader = ByteReader(held)
        return reader.skip(8) ? reader.fourCC() : nil
    }

    /// Whether any byte lies at `offset`, which the last `header` was asked for.
    func hasBytes(at offset: Int64) -> Bool { offset == heldOffset && !held.isEmpty }

    /// Reads up to `count` bytes; fewer only at the end of the source.
    mutating func read(_ count: Int64, at offset: Int64) throws -> [UInt8] {
        var result: [UInt8] = []
        let known = offset &- heldOffset
        if known >= 0, known < Int64(held.count) {
            result.append(contentsOf: held.dropFirst(Int(known)).prefix(Int(clamping: count)))
        }
        while Int64(result.count) < count {
            let wanted = Int(min(count &- Int64(result.count), Int64(Self.chunkBytes)))
            let chunk = try source.read(wanted, at: offset &+ Int64(result.count))
            if chunk.isEmpty { break }
            result.append(contentsOf: chunk)
        }
        let end = offset &+ Int64(result.count)
        held = Array(held.dropFirst(Int(clamping: max(0, end &- heldOffset))))
        heldOffset = end
        return result
    }

    /// Passes over what lies in front of `end`; `false` where the source ends before it.
    mutating func skip(to end: Int64) throws -> Bool {
        var position = heldOffset &+ Int64(held.count)
        if position >= end {
            held.removeFirst(min(held.count, Int(clamping: end &- heldOffset)))
            heldOffset = end
            return true
        }
        held = []
        while position < end {
            let chunk = try source.read(Int(min(end &- position, Int64(Self.chunkBytes))), at: position)
            if chunk.isEmpty { return false }
            position &+= Int64(chunk.count)
        }
        heldOffset = end
        return true
    }

    /// Makes `held` begin at `offset` and hold `count` bytes, or all that are left.
    private mutating func hold(_ count: Int, at offset: Int64) throws {
        if offset != heldOffset {
            held = []
            heldOffset = offset
        }
        if held.count < count { held += try source.read(count - held.count, at: offset &+ Int64(held.count)) }
    }
}
