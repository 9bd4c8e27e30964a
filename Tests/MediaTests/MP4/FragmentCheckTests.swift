import Testing

@testable import Media

struct FragmentCheckTests {
    private static func words(_ numbers: UInt32...) -> [UInt8] { numbers.flatMap { [UInt8].word($0) } }

    /// A movie box with tracks of these numbers, whose fragments' samples last 10 ticks and have 100 bytes by default.
    private static func movie(_ ids: [UInt32], inTrack extra: [UInt8] = [], inMovie: [UInt8] = []) throws -> Movie {
        var moov: [UInt8] = .box("mvhd", words(0, 0, 0, 1000, 0))
        var defaults: [UInt8] = []
        for id in ids {
            moov += .box("trak", .box("tkhd", words(0, 0, 0, id, 0, 0)) + extra)
            defaults += .box("trex", words(0, id, 1, 10, 100, 0))
        }
        return try #require(Movie(moov + .box("mvex", defaults) + inMovie))
    }

    private static func fragment(_ id: UInt32, time: UInt32? = nil, flags: UInt32 = 0, _ run: [UInt8]) -> [UInt8] {
        var boxes: [UInt8] = .box("tfhd", words(0, id))
        if let time { boxes += .box("tfdt", words(0, time)) }
        boxes += .box("trun", words(flags) + run)
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
        var moof = Self.fragment(1, time: 50, Self.words(30))
        moof += Self.fragment(2, flags: 0x300, Self.words(2, 7, 5, 8, 6))
        moof += Self.fragment(1, Self.words(1))
        let tracks = try Self.take(moof)
        #expect(tracks[1]?.samples == 31)
        #expect(tracks[1]?.start == 50 && tracks[1]?.end == 360)
        #expect(tracks[2]?.samples == 2)
        #expect(tracks[2]?.start == 0 && tracks[2]?.end == 15)
    }

    static let lies: [String: [UInt8]] = [
        "no such track": fragment(3, words(1)),
        "more bytes than there are by default": fragment(1, words(10_001)),
        "a field is missing": fragment(1, flags: 0x100, words(2, 1)),
        "more bytes than there are": fragment(1, flags: 0x200, words(1, 1_000_001)),
        "a run without a track": .box("trun", words(0, 1)),
        "many samples of no size": .box("traf", .box("tfhd", words(0x10, 1, 0)) + .box("trun", words(0, 20_000))),
        "cut short": Array(fragment(1, words(1)).dropLast(4)),
        "a track": .box("udta", .box("trak")),
        "the defaults of a track": .box("traf", .box("trex")),
        "a compressed movie": .box("edts", .box("cmov")),
    ]

    @Test(arguments: lies.keys.sorted())
    func `what can't be true is corrupt`(lie: String) {
        #expect(Self.code { _ = try Self.take(Self.lies[lie] ?? []) } == .sourceCorrupt)
    }

    @Test func `without a length one run may claim what a second fragment of any kind has, and all together a video`() {
        #expect(Self.code { _ = try Self.take(Self.fragment(1, Self.words(100_000)), nil) } == nil)
        #expect(Self.code { _ = try Self.take(Self.fragment(1, Self.words(2_000_000)), nil) } == .sourceCorrupt)
        let many = (0..<11).flatMap { _ in Self.fragment(1, Self.words(1_000_000)) }
        #expect(Self.code { _ = try Self.take(many, nil) } == .sourceCorrupt)
    }

    @Test func `fragments and their indexes are counted`() throws {
        var check = try FragmentCheck(Self.movie([1, 2]), "clip")
        let index = [UInt8](repeating: 0, count: 12 * 60_000)
        #expect(
            Self.code { for _ in 0..<100 { try check.take("sidx", index[...], at: 0, length: nil) } } == .sourceCorrupt)
    }

    @Test(arguments: [[0], [1, 1], [1, 0x8000_0000]] as [[UInt32]])
    func `tracks need numbers of their own`(ids: [UInt32]) {
        #expect(Self.code { _ = try FragmentCheck(Self.movie(ids), "clip") } == .sourceCorrupt)
    }

    @Test func `tracks and defaults in a wrong place are not overlooked`() throws {
        #expect(Self.code { _ = try FragmentCheck(Self.movie([1]), "clip") } == nil)
        let meta: [UInt8] = .box("meta", Self.words(0) + .box("hdlr") + .box("trex"))
        let hidden: [[UInt8]] = [.box("mdia", .box("trak")), .box("mvex"), .box("udta", meta)]
        for extra in hidden {
            #expect(Self.code { _ = try FragmentCheck(Self.movie([1], inTrack: extra), "clip") } == .sourceCorrupt)
        }
        let cut = Self.words(1000) + Array("udta".utf8)
        #expect(Self.code { _ = try FragmentCheck(Self.movie([1], inMovie: cut), "clip") } == .sourceCorrupt)
        let closed: [UInt8] = .box("udta", Self.words(0))
        #expect(Self.code { _ = try FragmentCheck(Self.movie([1], inTrack: closed), "clip") } == nil)
    }
}
