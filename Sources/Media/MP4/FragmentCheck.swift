/// Holds movie fragments against the movie box and against the bytes there are, before libavformat is let near them.
/// ISO/IEC 14496-12, section 8.8.
///
/// A `trun` of a few bytes may announce four billion samples, for each of which libavformat makes room; and a single
/// track without a number makes it count through two billion for each run. It asks nobody while it does so: such a
/// file can't be stopped any more, only refused.
struct FragmentCheck: Sendable {
    /// What the movie box and its fragments hold of one track, in ticks of the media.
    struct Extent: Sendable {
        /// Samples in the movie box and in the fragments.
        var samples = 0
        /// When the first begins and the last ends to be decoded.
        var start: UInt64 = 0
        var end: UInt64 = 0
        /// Where the next run begins unless it says so: fragments may overlap, and the last need not be the latest.
        fileprivate var position: UInt64 = 0
        /// When the fragments' first sample is shown and when their last has been.
        fileprivate var shownStart: UInt64?
        fileprivate var shownEnd: UInt64 = 0
        /// From the start to the end. Reordered samples tell more by when they are shown: a long rest just before the
        /// last lies in their composition offsets.
        var length: UInt64 { max(end - min(end, start), shownEnd - min(shownEnd, shownStart ?? shownEnd)) }

        /// Takes a sample that begins `ticks` behind `position`.
        fileprivate mutating func show(after ticks: UInt64, offset: Int32, duration: UInt64) {
            let decoded = position.addingClamped(ticks)
            let distance = UInt64(offset.magnitude)
            let shown = offset < 0 ? decoded - min(decoded, distance) : decoded.addingClamped(distance)
            shownStart = min(shownStart ?? shown, shown)
            shownEnd = max(shownEnd, shown.addingClamped(duration))
        }
    }

    /// By number of the track.
    private(set) var tracks: [UInt32: Extent] = [:]
    private let movie: Movie
    private let name: String
    private var fragments = 0
    /// Fragments that a `sidx` lists, and where the last of them ends.
    private var listed = 0
    private var listedEnd: Int64 = 0
    private var runs = 0
    private var samples = 0
    /// Samples that nothing in the file is spent on.
    private var emptySamples = 0
    /// Bytes that all samples claim together.
    private var claimed: UInt64 = 0
    /// What the last `tfhd` said.
    private var current: (id: UInt32, duration: UInt32, size: UInt32)?

    /// Samples of no size and without a field of their own: more than any writer closes a track with.
    private static let mostEmptySamples = 10_000
    /// Samples of one run without fields of their own in a source whose length isn't known: 20 s of uncompressed sound.
    private static let mostUnbackedSamples = 1 << 20
    /// Places in libavformat's list of fragments, which has one for each track of each fragment.
    private static let mostPlaces = 2_000_000
    /// Fragments that indexes list: a hundred hours of two seconds each.
    private static let mostListed = 200_000
    /// libavformat looks through all the listed fragments that are still to come for each run: some seconds' work.
    private static let mostSteps = 2_000_000_000
    /// How deep boxes may lie in one another, as libavformat has it.
    static let deepest = 10

    /// Boxes in which libavformat looks for others, wherever they stand.
    static let containers: Set<String> = [
        "moof", "traf", "mvex", "udta", "meta", "edts", "mdia", "minf", "dinf", "stbl", "tref", "wave", "ilst", "hnti",
        "sinf", "schi",
    ]
    /// Boxes that make tracks, or samples of them, wherever they stand; `hoov` is another name of `moov`, `cmov` holds
    /// one that is compressed, and behind a description in `stsd` any box may lie.
    static let parts: Set<String> = [
        "moov", "hoov", "cmov", "trak", "stsd", "trex", "moof", "sidx", "tfhd", "tfdt", "trun",
    ]

    /// Throws `source_corrupt` where the tracks of a fragmented movie can't be told apart.
    init(_ movie: Movie, _ name: String) throws {
        self.movie = movie
        self.name = name
        for track in movie.isFragmented ? movie.tracks : [] {
            guard track.id > 0, track.id <= UInt32(Int32.max), tracks[track.id] == nil else {
                throw damaged("a track has no number of its own", at: nil)
            }
            let table = track.samples
            tracks[track.id] = Extent(
                samples: table.count, end: max(table.duration, table.shownDuration), position: table.duration)
            samples += table.count
        }
        if movie.hasMisplacedParts { throw damaged("the movie box holds parts of a track in a wrong place", at: nil) }
    }

    /// The boxes in a `meta`, which begin with `hdlr`: behind four bytes, but for QuickTime, where nothing is in front.
    static func children(ofMeta payload: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = stride(from: payload.startIndex + 4, to: payload.endIndex - 3, by: 4)
            .first { payload[$0..<($0 + 4)].elementsEqual("hdlr".utf8) }
        return start.map { payload[($0 - 4)...] } ?? []
    }

    /// Whether a box has to be read and given to `take`.
    static func concerns(_ type: String) -> Bool { containers.contains(type) || parts.contains(type) }

    /// Takes a box from the outermost level, such as `moof`.
    ///
    /// - Parameters:
    ///   - offset: where the box lies, for messages.
    ///   - length: bytes of the source; `nil` where that isn't known.
    mutating func take(_ type: String, _ payload: ArraySlice<UInt8>, at offset: Int64, length: Int64?) throws {
        if type == "moof" { try countPlaces(1, offset) }
        current = nil
        try take(type, payload, at: offset, length, depth: 0)
    }

    private mutating func take(
        _ type: String, _ payload: ArraySlice<UInt8>, at offset: Int64, _ length: Int64?, depth: Int
    ) throws {
        switch type {
        case "tfhd": try takeHeader(payload, offset)
        case "tfdt": takeTime(payload)
        case "trun": try takeRun(payload, offset, length)
        case "sidx": try takeIndex(payload, offset)
        case "moov", "hoov", "cmov", "trak", "stsd", "trex":
            throw damaged("parts of the movie box lie outside it", at: offset)
        case "moof" where depth > 0: throw damaged("a fragment lies inside of another box", at: offset)
        case let type where Self.containers.contains(type):
            guard depth < Self.deepest else { throw damaged("boxes lie too deep in one another", at: offset) }
            var boxes = BoxReader(type == "meta" ? Self.children(ofMeta: payload) : payload)
            while let box = boxes.next() { try take(box.type, box.payload, at: offset, length, depth: depth + 1) }
            if boxes.isMalformed, type == "moof" || type == "traf" {
                throw damaged("a fragment is cut off or damaged", at: offset)
            }
        default: break
        }
    }

    private mutating func takeHeader(_ payload: ArraySlice<UInt8>, _ offset: Int64) throws {
        var reader = ByteReader(payload)
        guard let flags = reader.u32(), let id = reader.u32(), let defaults = movie.fragmentDefaults[id] else {
            throw damaged("a fragment belongs to no track", at: offset)
        }
        guard flags & 1 == 0 || reader.skip(8), flags & 2 == 0 || reader.skip(4) else {
            throw damaged("a fragment is cut off or damaged", at: offset)
        }
        let duration = flags & 8 == 0 ? defaults.duration : reader.u32()
        let size = flags & 0x10 == 0 ? defaults.size : reader.u32()
        guard let duration, let size else { throw damaged("a fragment is cut off or damaged", at: offset) }
        current = (id, duration, size)
    }

    private mutating func takeTime(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard let id = current?.id, let version = reader.u8(), reader.skip(3),
            let time = version == 0 ? reader.u32().map(UInt64.init) : reader.u64(), var track = tracks[id]
        else { return }
        if track.samples == 0 { track.start = time }
        track.position = time
        tracks[id] = track
    }

    private mutating func takeRun(_ payload: ArraySlice<UInt8>, _ offset: Int64, _ length: Int64?) throws {
        guard let current else { throw damaged("samples belong to no track", at: offset) }
        var reader = ByteReader(payload)
        guard let flags = reader.u32(), let count = reader.u32().map({ Int($0) }),
            flags & 1 == 0 || reader.skip(4), flags & 4 == 0 || reader.skip(4)
        else { throw damaged("a fragment is cut off or damaged", at: offset) }
        let fields = (flags & 0xf00).nonzeroBitCount
        let excess = "a fragment announces more samples than there are bytes for"
        guard count * fields * 4 <= reader.remaining else { throw damaged(excess, at: offset) }
        samples += count
        runs += 1
        guard samples <= SampleTable.maximumCount, listed == 0 || runs <= Self.mostSteps / listed else {
            throw damaged("there are more samples than any video has", at: offset)
        }
        var track = tracks[current.id]
        var (bytes, ticks) = (UInt64(count) * UInt64(current.size), UInt64(count) * UInt64(current.duration))
        if flags & 0xb00 != 0 {
            if flags & 0x200 != 0 { bytes = 0 }
            ticks = 0
            for _ in 0..<count {
                let duration = UInt64(flags & 0x100 == 0 ? current.duration : reader.u32() ?? 0)
                if flags & 0x200 != 0 { bytes += UInt64(reader.u32() ?? 0) }
                guard flags & 0x400 == 0 || reader.skip(4) else { break }
                if flags & 0x800 != 0 {
                    track?.show(after: ticks, offset: reader.i32() ?? 0, duration: duration)
                }
                ticks += duration
            }
        }
        claimed = claimed.addingClamped(bytes)
        if fields == 0, current.size == 0 { emptySamples += count }
        let isBacked =
            length.map { claimed <= UInt64(clamping: $0) } ?? (fields > 0 || count <= Self.mostUnbackedSamples)
        guard isBacked, emptySamples <= Self.mostEmptySamples else { throw damaged(excess, at: offset) }
        // The rest of a track that was taken out of the movie box is left alone.
        guard var track else { return }
        track.samples += count
        track.position = track.position.addingClamped(ticks)
        track.end = max(track.end, track.position)
        tracks[current.id] = track
    }

    /// An index of fragments, each of which gets its places before it is seen. ISO/IEC 14496-12, 8.16.3.
    private mutating func takeIndex(_ payload: ArraySlice<UInt8>, _ offset: Int64) throws {
        var reader = ByteReader(payload)
        guard let version = reader.u8(), reader.skip(version == 0 ? 15 : 19),
            let first = version == 0 ? reader.u32().map(UInt64.init) : reader.u64(), reader.skip(2),
            let count = reader.u16().map({ Int($0) }), count * 12 <= reader.remaining
        else { throw damaged("an index of fragments is cut off or damaged", at: offset) }
        listed += count
        try countPlaces(count, offset)
        var end = UInt64(clamping: offset).addingClamped(8 + UInt64(payload.count)).addingClamped(first)
        for _ in 0..<count {
            guard let reference = reader.u32(), reader.skip(8) else { break }
            end = end.addingClamped(UInt64(reference & 0x7fff_ffff))
        }
        listedEnd = max(listedEnd, Int64(clamping: end))
    }

    /// A file cut between two fragments looks whole, unless an index lists all of them or the movie box says how long
    /// they are.
    ///
    /// - Parameter end: bytes there are.
    /// - Throws: `source_truncated` where more is announced.
    func finish(at end: Int64) throws {
        guard movie.isFragmented else { return }
        guard listedEnd <= end else {
            throw MediaError(
                .sourceTruncated,
                "\(name) has \(end) bytes but its index of fragments needs \(listedEnd); fetch or export it again")
        }
        guard movie.fragmentedDuration > 0, movie.timescale > 0 else { return }
        let ends = movie.tracks.map { track in
            let extent = tracks[track.id].map { $0.start.addingClamped($0.length) } ?? 0
            return track.timescale > 0 ? Double(extent) / Double(track.timescale) : 0
        }
        try Completeness.checkEnd(
            "last fragment", ends.max() ?? 0, Double(movie.fragmentedDuration) / Double(movie.timescale))
    }

    private mutating func countPlaces(_ count: Int, _ offset: Int64) throws {
        fragments += count
        guard listed <= Self.mostListed, fragments * max(1, movie.tracks.count) <= Self.mostPlaces else {
            throw damaged("there are more fragments than any video has", at: offset)
        }
    }

    /// A fragment's description is held in memory, as the movie box is.
    static func tooLarge(_ name: String, at offset: Int64) -> MediaError {
        MediaError(
            .sourceCorrupt,
            "\(name) is damaged at byte \(offset): a fragment is larger than any real one; fetch or export it again")
    }

    private func damaged(_ what: String, at offset: Int64?) -> MediaError {
        let place = offset.map { " at byte \($0)" } ?? ""
        return MediaError(.sourceCorrupt, "\(name) is damaged\(place): \(what); fetch or export it again")
    }
}
