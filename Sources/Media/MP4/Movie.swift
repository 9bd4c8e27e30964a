/// A movie box: what a file says of its tracks, with nothing left out that has to be judged. ISO/IEC 14496-12, 8.2.
///
/// Reading is tolerant: a damaged part leaves its values at zero, because a judge has to name what is wrong with a
/// file that libavformat may still play. Nothing in here trusts a count it has not seen the bytes of.
struct Movie: Sendable {
    /// Ticks per second of the movie timeline.
    var timescale: UInt32 = 0
    /// In movie ticks; 0 where unknown.
    var duration: UInt64 = 0
    /// There is an `mvex`: samples may lie in fragments behind this box.
    var isFragmented = false
    /// By `mehd`, how long the movie is with all its fragments, in movie ticks; 0 where unknown.
    var fragmentedDuration: UInt64 = 0
    /// What `trex` says for each track of samples that don't say it themselves: how long they last, and their bytes.
    var fragmentDefaults: [UInt32: (duration: UInt32, size: UInt32)] = [:]
    /// Tracks or the defaults of fragments lie where they don't belong, or may do so: libavformat finds them there, and
    /// nothing in here tells of them.
    var hasMisplacedParts = false
    /// Names of what describes the movie or a track and holds anything: `udta/©xyz`, `meta/©too`, `uuid`,
    /// `meta/com.apple.quicktime.location.ISO6709` …
    var metadata: [String] = []
    /// In file order.
    var tracks: [Track] = []

    /// Tracks read at most; more than any camera writes.
    static let maximumTrackCount = 256

    /// Boxes in one another and side by side at most; a hostile file could hold millions, each looked at several times.
    static let maximumBoxCount = 100_000

    /// Reads the payload of `moov`; `nil` where it has no readable `mvhd`, or more boxes than any real one.
    init?(_ moov: [UInt8]) {
        let parts = MovieParts(moov)
        guard parts.boxCount <= Self.maximumBoxCount else { return nil }
        guard let header = BoxReader.first("mvhd", in: moov[...]), readHeader(header) else { return nil }
        for box in BoxReader(moov) {
            switch box.type {
            case "trak":
                guard tracks.count < Self.maximumTrackCount else { continue }
                tracks.append(Track(box.payload))
                metadata += MetadataNames.found(in: box.payload)
            case "mvex":
                isFragmented = true
                readFragmentHeader(box.payload)
            default:
                break
            }
        }
        hasMisplacedParts =
            parts.isMisplaced || parts.trackCount > Self.maximumTrackCount
            || parts.isMalformed && (isFragmented || moov[...].holdsAny(of: ["trex"]))
        metadata += MetadataNames.found(in: moov[...])
    }

    /// Tracks of this handler: `vide`, `soun` …
    func tracks(of handler: String) -> [Track] { tracks.filter { $0.handler == handler } }

    private mutating func readFragmentHeader(_ payload: ArraySlice<UInt8>) {
        for box in BoxReader(payload) {
            var reader = ByteReader(box.payload)
            switch box.type {
            case "mehd":
                guard let version = reader.u8(), reader.skip(3) else { continue }
                fragmentedDuration = reader.duration(version: version) ?? 0
            case "trex":
                guard reader.skip(4), let id = reader.u32(), reader.skip(4), let duration = reader.u32(),
                    let size = reader.u32(), fragmentDefaults.count < Self.maximumTrackCount,
                    fragmentDefaults[id] == nil
                else { continue }
                fragmentDefaults[id] = (duration, size)
            default: break
            }
        }
    }

    private mutating func readHeader(_ payload: ArraySlice<UInt8>) -> Bool {
        var reader = ByteReader(payload)
        guard let header = TimeHeader(&reader) else { return false }
        timescale = header.timescale
        duration = header.duration
        return true
    }
}

/// The front that `mvhd` and `mdhd` share: times, timescale, duration. ISO/IEC 14496-12, 8.2.2 and 8.4.2.
struct TimeHeader {
    /// Ticks per second.
    var timescale: UInt32
    /// In ticks; 0 where the file says that it does not know.
    var duration: UInt64

    /// Reads from version and flags to duration.
    init?(_ reader: inout ByteReader) {
        guard let version = reader.u8(), reader.skip(3), reader.skip(version == 1 ? 16 : 8),
            let timescale = reader.u32(), let duration = reader.duration(version: version)
        else { return nil }
        self.timescale = timescale
        self.duration = duration
    }
}

extension ByteReader {
    /// Reads a duration of 64 bits in version 1, else of 32. All ones mean that it is not known, and become 0.
    mutating func duration(version: UInt8) -> UInt64? {
        if version == 1 { return u64().map { $0 == .max ? 0 : $0 } }
        return u32().map { $0 == .max ? 0 : UInt64($0) }
    }
}

/// Where the boxes of a `moov` lie that make tracks or let them have fragments.
private struct MovieParts {
    /// Counted no further than `Movie.maximumBoxCount` and one.
    var boxCount = 0
    var trackCount = 0
    var isMisplaced = false
    /// Somewhere a size can't be true: libavformat makes of it what it can.
    var isMalformed = false

    init(_ moov: [UInt8]) {
        look(into: moov[...], of: "moov", depth: 0)
    }

    private mutating func look(into payload: ArraySlice<UInt8>, of parent: String, depth: Int) {
        guard depth < FragmentCheck.deepest else {
            isMalformed = true
            return
        }
        var boxes = BoxReader(payload)
        while boxCount <= Movie.maximumBoxCount, let box = boxes.next() {
            boxCount += 1
            switch (box.type, parent) {
            case ("trak", "moov"):
                trackCount += 1
                look(into: box.payload, of: "trak", depth: depth + 1)
            case ("trex", "mvex"): break
            case ("stsd", "stbl"): isMisplaced = isMisplaced || box.payload.holdsAny(of: FragmentCheck.parts)
            case ("mvex", let parent) where parent != "moov": isMisplaced = true
            case (let type, _) where FragmentCheck.parts.contains(type): isMisplaced = true
            case ("meta", _):
                look(into: FragmentCheck.children(ofMeta: box.payload), of: "meta", depth: depth + 1)
            case (let type, _) where FragmentCheck.containers.contains(type):
                look(into: box.payload, of: type, depth: depth + 1)
            default: break
            }
        }
        isMalformed = isMalformed || boxes.isMalformed
    }
}

extension ArraySlice<UInt8> {
    /// Whether one of these types stands anywhere in it, as a box or not.
    fileprivate func holdsAny(of types: Set<String>) -> Bool {
        let wanted = Set(types.map { $0.utf8.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } })
        var last: UInt32 = 0
        return contains { byte in
            last = last << 8 | UInt32(byte)
            return wanted.contains(last)
        }
    }
}
