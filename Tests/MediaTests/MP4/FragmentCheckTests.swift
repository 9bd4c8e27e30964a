import Testing

@testable import Media

struct FragmentCheckTests {
    /// A movie box with tracks of these numbers, whose fragments' samples last 10 ticks and have 100 bytes by default.
    private static func movie(
        _ ids: [UInt32], inTrack extra: [UInt8] = [], inMovie: [UInt8] = [], withoutTrack: UInt32? = nil
    ) throws -> Movie {
        var moov: [UInt8] = .box("mvhd", [UInt8].words(0, 0, 0, 1000, 0))
        var defaults: [UInt8] = []
        for id in ids + [withoutTrack].compactMap({ $0 }) {
            defaults += .box("trex", [UInt8].words(0, id, 1, 10, 100, 0))
            guard id != withoutTrack else { continue }
            moov += .box("trak", .box("tkhd", [UInt8].words(0, 0, 0, id, 0, 0)) + extra)
        }
        return try #require(Movie(moov + .box("mvex", defaults) + inMovie))
    }

    private static func fragment(_ id: UInt32, time: UInt32? = nil, flags: UInt32 = 0, _ run: [UInt8]) -> [UInt8] {
        var boxes: [UInt8] = .box("tfhd", [UInt8].words(0, id))
        if let time { boxes += .box("tfdt", [UInt8].words(0, time)) }
        boxes += .box("trun", [UInt8].words(flags) + run)
        return .box("traf", boxes)
    }

    private static func take(_ moof: [UInt8], _ length: Int64? = 1_000_000) throws -> [UInt32: FragmentCheck.Extent] {
        var check = try FragmentCheck(movie([1, 2]), "clip")
        try check.take("moof", moof[...], at: 0, length: length)
        return check.tracks
    }

    private static func code(_ body: () throws -> Void) -> MediaError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? MediaError)?.code
        }
    }

    @Test func `samples and times are summed up, by default or field by field`() throws {
        var moof = Self.fragment(1, time: 50, [UInt8].words(30))
        moof += Self.fragment(2, flags: 0x300, [UInt8].words(2, 7, 5, 8, 6))
        moof += Self.fragment(1, [UInt8].words(1))
        let tracks = try Self.take(moof)
        #expect(tracks[1]?.samples == 31)
        #expect(tracks[1]?.start == 50 && tracks[1]?.end == 360)
        #expect(tracks[2]?.samples == 2)
        #expect(tracks[2]?.start == 0 && tracks[2]?.end == 15)
    }

    static let lies: [String: [UInt8]] = [
        "no such track": fragment(3, [UInt8].words(1)),
        "more bytes than there are by default": fragment(1, [UInt8].words(10_001)),
        "a field is missing": fragment(1, flags: 0x100, [UInt8].words(2, 1)),
        "more bytes than there are": fragment(1, flags: 0x200, [UInt8].words(1, 1_000_001)),
        "a run without a track": .box("trun", [UInt8].words(0, 1)),
        "many samples of no size": .box(
            "traf", .box("tfhd", [UInt8].words(0x10, 1, 0)) + .box("trun", [UInt8].words(0, 20_000))),
        "cut short": Array(fragment(1, [UInt8].words(1)).dropLast(4)),
        "a track": .box("udta", .box("trak")),
        "the defaults of a track": .box("traf", .box("trex")),
        "a compressed movie": .box("edts", .box("cmov")),
        "a movie by another name": .box("udta", .box("hoov")),
        "a description": .box("traf", .box("stsd")),
        "behind protection": .box("sinf", .box("schi", .box("trex"))),
        "a fragment in a fragment": .box("moof"),
    ]

    @Test(arguments: lies.keys.sorted())
    func `what can't be true is corrupt`(lie: String) {
        #expect(Self.code { _ = try Self.take(Self.lies[lie] ?? []) } == .sourceCorrupt)
    }

    @Test func `without a length one run may claim what a second fragment of any kind has, and all together a video`() {
        #expect(Self.code { _ = try Self.take(Self.fragment(1, [UInt8].words(100_000)), nil) } == nil)
        #expect(Self.code { _ = try Self.take(Self.fragment(1, [UInt8].words(2_000_000)), nil) } == .sourceCorrupt)
        let many = (0..<11).flatMap { _ in Self.fragment(1, [UInt8].words(1_000_000)) }
        #expect(Self.code { _ = try Self.take(many, nil) } == .sourceCorrupt)
    }

    /// A `sidx` that lists this many fragments of so many bytes each.
    private static func index(_ count: UInt16, of size: UInt32) -> [UInt8] {
        [UInt8].words(0, 1, 1000, 0, 0, UInt32(count)) + (0..<count).flatMap { _ in [UInt8].words(size, 10, 0) }
    }

    @Test func `fragments and their indexes are counted`() throws {
        let index = Self.index(60_000, of: 0)
        var check = try FragmentCheck(Self.movie([1, 2]), "clip")
        #expect(
            Self.code { for _ in 0..<3 { try check.take("sidx", index[...], at: 0, length: nil) } } == nil)
        // Each run costs a look at all that are listed.
        let runs = (0..<20_000).flatMap { _ in Self.fragment(1, [UInt8].words(0)) }
        var copy = check
        #expect(Self.code { try copy.take("moof", runs[...], at: 0, length: nil) } == .sourceCorrupt)
        #expect(Self.code { try check.take("sidx", index[...], at: 0, length: nil) } == .sourceCorrupt)
        check = try FragmentCheck(Self.movie(Array(1...200)), "clip")
        let empty: ArraySlice<UInt8> = []
        #expect(Self.code { for _ in 0..<10_000 { try check.take("moof", empty, at: 0, length: nil) } } == nil)
        #expect(Self.code { try check.take("moof", empty, at: 0, length: nil) } == .sourceCorrupt)
    }

    @Test func `an index that lists more than there is means that the rest is missing`() throws {
        var check = try FragmentCheck(Self.movie([1]), "clip")
        let index = Self.index(3, of: 0x8000_0100)
        try check.take("sidx", index[...], at: 1000, length: 1_000_000)
        let end = Int64(1000 + 8 + index.count + 3 * 0x100)
        #expect(Self.code { try check.finish(at: end) } == nil)
        #expect(Self.code { try check.finish(at: end - 1) } == .sourceTruncated)
        #expect(Self.code { try check.take("sidx", index.dropLast(), at: 0, length: nil) } == .sourceCorrupt)
    }

    @Test func `the rest of a track that was taken out is left alone`() throws {
        let moof = Self.fragment(1, [UInt8].words(30)) + Self.fragment(7, [UInt8].words(30))
        var check = try FragmentCheck(Self.movie([1], withoutTrack: 7), "clip")
        try check.take("moof", moof[...], at: 0, length: 1_000_000)
        #expect(check.tracks.keys.sorted() == [1] && check.tracks[1]?.samples == 30)
    }

    @Test(arguments: [[0], [1, 1], [1, 0x8000_0000]] as [[UInt32]])
    func `tracks need numbers of their own`(ids: [UInt32]) {
        #expect(Self.code { _ = try FragmentCheck(Self.movie(ids), "clip") } == .sourceCorrupt)
    }

    @Test func `tracks and defaults in a wrong place are not overlooked`() throws {
        #expect(Self.code { _ = try FragmentCheck(Self.movie([1]), "clip") } == nil)
        let meta: [UInt8] = .box("meta", [UInt8].words(0) + .box("hdlr") + .box("trex"))
        let entry: [UInt8] = [UInt8].words(0, 1) + .box("avc1", .words(0, 0) + .box("trun"))
        let hidden: [[UInt8]] = [
            .box("mdia", .box("trak")), .box("mvex"), .box("udta", meta), .box("udta", .box("moov")),
            .box("udta", .box("sidx")), .box("mdia", .box("minf", .box("stbl", .box("stsd", entry)))), .box("stsd"),
        ]
        for extra in hidden {
            #expect(Self.code { _ = try FragmentCheck(Self.movie([1], inTrack: extra), "clip") } == .sourceCorrupt)
        }
        let cut = [UInt8].words(1000) + Array("udta".utf8)
        #expect(Self.code { _ = try FragmentCheck(Self.movie([1], inMovie: cut), "clip") } == .sourceCorrupt)
        let closed: [UInt8] = .box("udta", [UInt8].words(0))
        #expect(Self.code { _ = try FragmentCheck(Self.movie([1], inTrack: closed), "clip") } == nil)
    }
}
