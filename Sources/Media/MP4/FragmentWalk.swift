/// Looks through the boxes behind the movie box of an MP4 that can seek, from header to header.
///
/// libavformat takes a fragmented file that ends early for a shorter one, and reads its fragments unchecked. Each costs
/// one small read here, which libavformat's own look at all of them repeats.
struct FragmentWalk {
    private let source: any ByteSource
    private let movie: Movie
    private var check: FragmentCheck
    private var held: [UInt8] = []
    private var heldOffset: Int64 = 0
    /// A box that is judged once the one behind it is seen to be whole: samples beyond the end of a source that was cut
    /// are no lie.
    private var pending: (type: String, payload: ArraySlice<UInt8>, offset: Int64)?

    /// Bytes read at once: most fragments' whole description and the header of the media behind it.
    private static let chunkBytes = 4096
    /// Boxes at most; four for each of the fragments there may be.
    private static let mostBoxes = 4_000_000

    private init(_ source: any ByteSource, _ movie: Movie) throws {
        self.source = source
        self.movie = movie
        check = try FragmentCheck(movie, source.name)
    }

    /// What each track holds, by its number; empty where the movie isn't fragmented.
    ///
    /// - Parameter layout: the boxes up to and with `moov`.
    /// - Throws: `source_truncated` where the last fragment isn't whole or the movie box announces more;
    ///   `source_corrupt` where a fragment can't be true.
    static func check(
        _ source: any ByteSource, _ layout: FileLayout, _ movie: Movie, isCancelled: () -> Bool
    ) throws -> [UInt32: FragmentCheck.Extent] {
        var walk = try FragmentWalk(source, movie)
        for box in layout.boxes where box.type != "moov" && FragmentCheck.concerns(box.type) {
            try walk.read(box.type, from: box.payloadOffset, to: box.end, at: box.offset)
            try walk.judge()
        }
        try walk.run(from: layout.boxes.last?.end ?? 0, isCancelled)
        try walk.judge()
        try walk.check.finish(at: source.length ?? .max)
        return walk.check.tracks
    }

    /// Behind the samples that a movie box lists by itself cameras append what is no box, and it is no loss.
    private mutating func run(from start: Int64, _ isCancelled: () -> Bool) throws {
        let length = source.length ?? .max
        var (offset, boxes) = (start, 0)
        while offset < length {
            if isCancelled() { throw MediaError.cancelled }
            boxes += 1
            guard boxes <= Self.mostBoxes else {
                throw MediaError(.sourceCorrupt, "\(source.name) has more boxes than any video; export it again")
            }
            let bytes = try read(BoxHeader.longest, at: offset)
            guard let header = BoxHeader(bytes) else {
                if bytes.isEmpty || !movie.isFragmented { return }
                throw truncated("\(offset + Int64(bytes.count)) bytes, and the last begin another box")
            }
            let isOpen = header.size == 0
            if isOpen, !FragmentCheck.concerns(header.type) { return }
            let (end, overflow) = isOpen ? (length, false) : offset.addingReportingOverflow(header.size)
            guard header.size >= 0, !overflow else {
                guard movie.isFragmented else { return }
                throw MediaError(
                    .sourceCorrupt, "\(source.name) is damaged at byte \(offset): no box lies there; export it again")
            }
            if end > length {
                guard movie.isFragmented else { return }
                throw truncated("\(length) bytes but its last box needs \(end)")
            }
            try judge()
            if header.type != "moov", FragmentCheck.concerns(header.type) {
                try read(header.type, from: offset + Int64(header.headerSize), to: end, at: offset)
            }
            offset = end
        }
    }

    private mutating func judge() throws {
        guard let box = pending else { return }
        pending = nil
        try check.take(box.type, box.payload, at: box.offset, length: source.length)
    }

    private mutating func read(_ type: String, from start: Int64, to end: Int64, at offset: Int64) throws {
        guard end - start <= FileLayout.maximumMovieBytes else {
            // What is no part of a fragment may be as large as it likes.
            guard movie.isFragmented || type == "moof" else { return }
            throw FragmentCheck.tooLarge(source.name, at: offset)
        }
        let payload = try read(Int(end - start), at: start)
        guard payload.count == Int(end - start) else { throw truncated("only a part of the box at byte \(offset)") }
        pending = (type, payload, offset)
    }

    /// Up to `count` bytes; fewer only at the end of the source.
    private mutating func read(_ count: Int, at offset: Int64) throws -> ArraySlice<UInt8> {
        let skipped = offset - heldOffset
        if skipped >= 0, skipped <= Int64(held.count) - Int64(count) { return held[Int(skipped)...].prefix(count) }
        held = try source.read(max(count, Self.chunkBytes), at: offset)
        heldOffset = offset
        return held.prefix(count)
    }

    private func truncated(_ what: String) -> MediaError {
        MediaError(.sourceTruncated, "\(source.name) has \(what); fetch or export it again")
    }
}

/// A fragmented MP4 that can't seek, in which each fragment is checked before it is passed on, and the end noticed that
/// comes in the middle of a box.
final class FragmentPipe: ByteSource {
    private let source: any ByteSource
    private var check: FragmentCheck
    private var position: Int64 = 0
    /// Bytes that have been looked at and are to be given next, and how many of them are.
    private var held: [UInt8] = []
    private var given = 0
    /// What is left of a box that is passed on as it comes; `nil`: up to the end.
    private var passing: Int64? = 0

    private init(_ source: any ByteSource, _ check: FragmentCheck) {
        self.source = source
        self.check = check
    }

    /// A source whose fragments are checked; the given one where the movie has none.
    static func checking(_ source: any ByteSource, _ movie: Movie) throws -> any ByteSource {
        let check = try FragmentCheck(movie, source.name)
        return movie.isFragmented ? FragmentPipe(source, check) : source
    }

    var name: String { source.name }
    var length: Int64? { source.length }
    let isSeekable = false
    var seekRefusal: any Error { source.seekRefusal }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        if given == held.count, passing == 0 { try takeBox() }
        if given < held.count {
            let count = min(buffer.byteCount, held.count - given)
            buffer.withUnsafeMutableBytes { $0.copyBytes(from: held[given..<(given + count)]) }
            given += count
            return count
        }
        if passing == 0 {
            try check.finish(at: position)
            return 0
        }
        let most = Int(clamping: min(passing ?? .max, Int64(buffer.byteCount)))
        let count = try buffer.withUnsafeMutableBytes { bytes in
            var part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<most]).mutableBytes
            return try source.read(into: &part, at: position)
        }
        position += Int64(count)
        if let passing {
            if count == 0 { throw truncated() }
            self.passing = passing - Int64(count)
        } else if count == 0 {
            try check.finish(at: position)
        }
        return count
    }

    /// Holds the next box if it has to be looked at, else its header.
    private func takeBox() throws {
        let offset = position
        (held, given) = ([], 0)
        try hold(8)
        if held.isEmpty { return }
        if held.count == 8, held.starts(with: [0, 0, 0, 1]) { try hold(8) }
        guard let header = BoxHeader(held[...]) else { throw truncated() }
        let isChecked = header.type != "moov" && FragmentCheck.concerns(header.type)
        if header.size == 0, !isChecked {
            passing = nil
            return
        }
        guard header.size > 0 else {
            throw MediaError(.sourceCorrupt, "\(name) is damaged at byte \(offset): no box lies there; export it again")
        }
        let payload = header.size - Int64(header.headerSize)
        guard isChecked else {
            passing = payload
            return
        }
        guard payload <= FileLayout.maximumMovieBytes else { throw FragmentCheck.tooLarge(name, at: offset) }
        try hold(Int(payload))
        guard held.count == header.headerSize + Int(payload) else { throw truncated() }
        try check.take(header.type, held[header.headerSize...], at: offset, length: length)
    }

    private func hold(_ count: Int) throws {
        // Not all at once: the size is a claim until the bytes have come.
        var left = count
        while left > 0 {
            let bytes = try source.read(min(left, 256 << 10), at: position)
            if bytes.isEmpty { return }
            held += bytes
            position += Int64(bytes.count)
            left -= bytes.count
        }
    }

    private func truncated() -> MediaError {
        MediaError(.sourceTruncated, "\(name) ends at byte \(position) inside a box; fetch or export it again")
    }
}
