import Testing

@testable import Media

/// A clip that may be copied, with one thing about it changed.
struct BrokenRule: CustomTestStringConvertible, Sendable {
    /// How the reason begins for which this is not to be copied.
    var reason: String
    var change: @Sendable (inout MediaInfo) -> Void
    var testDescription: String { reason }

    init(_ reason: String, _ change: @escaping @Sendable (inout MediaInfo) -> Void) {
        self.reason = reason
        self.change = change
    }

    /// A clip that lists these pictures, in twelve thousandths of a second, with key frames among them.
    static func pictures(
        _ reason: String, at times: [Int64], keys: [Int]? = [0],
        size: @escaping @Sendable (Int) -> UInt32 = { _ in 100 }
    ) -> BrokenRule {
        BrokenRule(reason) { info in
            info.video.samples?.timescale = 12000
            info.video.samples?.table = SampleTable(
                times: times, sizes: times.indices.map(size), keys: keys, lastDuration: 400)
            info.audio = nil
        }
    }
}

/// Decisions on a clip that may be copied, with other pictures listed in it.
struct CopyRulesTests {
    private static func clip() throws -> MediaInfo {
        try Probe(FileSource(path: Fixture.path("copy-720p30-48k.mp4")), threads: 1, isCancelled: { false }).info
    }

    /// Times of pictures that come at one distance.
    private static func even(_ count: Int, every ticks: Int64 = 400) -> [Int64] {
        (0..<count).map { Int64($0) * ticks }
    }

    private static let pictureRules = [
        BrokenRule("hevc is not H.264") { $0.video.codec = "hevc" },
        BrokenRule("not 4:2:0 8 bit") { $0.video.pixelFormat = "yuv422p" },
        BrokenRule("interlaced") { $0.video.isInterlaced = true },
        BrokenRule("odd size") { $0.video.width -= 1 },
        BrokenRule("pixels are not square") { $0.video.pixelAspect = 0.9 },
        BrokenRule("1280x1440 is larger than the profile's picture") { $0.video.height *= 2 },
        BrokenRule("untagged") { info in
            info.video.statesColor = false
            info.video.color.matrix = 6
        },
        BrokenRule("colours are not BT.709") { $0.video.color.fullRange = true },
        BrokenRule("mirrored") { $0.video.orientation = Orientation(clockwiseDegrees: 0, isMirrored: true) },
        BrokenRule("the sound goes on after the last picture") { info in
            info.audio?.end = info.video.samples.map { $0.length + 0.6 }
        },
        BrokenRule("the edit list cuts or moves the picture") { info in
            info.video.timeline = info.video.timeline.advanced(by: -0.1)
        },
        .pictures("too few pictures", at: [0]),
        .pictures("22 pictures a second", at: even(220, every: 545)),
        .pictures("the distance between pictures varies", at: even(100) + even(100).map { $0 + 40_300 }),
        .pictures("doesn't begin with a key frame", at: even(100), keys: [1]),
        .pictures("key frames are more than 10 s apart", at: even(302)),
        .pictures("the index doesn't list key frames", at: even(100), keys: nil),
        .pictures("open groups of pictures", at: [0, 400, 1200, 800, 1600], keys: [0, 2]),
        .pictures("empty pictures", at: even(100)) { $0 == 50 ? 0 : 100 },
        .pictures("more than 25 Mb/s", at: even(100)) { 30 <= $0 && $0 < 60 ? 105_000 : 100 },
    ]

    @Test(arguments: pictureRules)
    func `a picture that breaks one rule is not copied, for that reason alone`(_ rule: BrokenRule) throws {
        var info = try Self.clip()
        try #require(CopyRules.video(info, .reels) == [])
        rule.change(&info)
        let reasons = CopyRules.video(info, .reels)
        #expect(reasons.count == 1 && reasons[0].hasPrefix(rule.reason), "\(reasons)")
    }

    private static let soundRules = [
        BrokenRule("mp3 is not AAC") { $0.audio?.codec = "mp3" },
        BrokenRule("not AAC-LC") { $0.audio?.isLowComplexity = false },
        BrokenRule("not AAC-LC") { $0.audio?.samples?.config.objectType = 5 },
        BrokenRule("96000 Hz") { info in
            info.audio?.sampleRate = 96000
            info.audio?.samples?.config.sampleRate = 96000
            info.audio?.samples?.timescale = 96000
        },
        BrokenRule("6 channels") { $0.audio?.channels = 6 },
        BrokenRule("packets of 960 samples") { $0.audio?.samples?.config.samplesPerPacket = 960 },
        BrokenRule("its description and its sound differ") { $0.audio?.samples?.config.channelCount = nil },
        BrokenRule("the edit list cuts the sound") { $0.audio?.timeline = Timeline(edits: cut) ?? .whole(from: 0) },
        BrokenRule("empty packets") { sound(&$0) { $0 == 50 ? 0 : 300 } },
        BrokenRule("more than 140 kb/s") { sound(&$0) { _ in 374 } },
        BrokenRule("ends before the picture") { sound(&$0, packets: 135) { _ in 300 } },
        BrokenRule("outlasts the picture") { sound(&$0, packets: 165) { _ in 300 } },
        BrokenRule("packets are not evenly spaced") { sound(&$0, gapBefore: 70) { _ in 300 } },
        BrokenRule("whole packets can't bring the sound into sync") { info in
            sound(&info) { _ in 300 }
            info.audio?.samples?.origin += 0.006
        },
    ]

    private static let cut = [
        Timeline.Segment(mediaStart: 0, mediaEnd: 1, presentationStart: 0),
        Timeline.Segment(mediaStart: 1.5, mediaEnd: 9, presentationStart: 1),
    ]

    /// Lists other packets, of 48,000 samples a second from 0 on, beside three seconds of picture.
    private static func sound(
        _ info: inout MediaInfo, packets: Int = 141, gapBefore gap: Int = .max, size: (Int) -> UInt32
    ) {
        info.audio?.timeline = .whole(from: 0)
        info.audio?.samples?.origin = 0
        info.audio?.samples?.timescale = 48000
        info.audio?.samples?.table = SampleTable(
            times: (0..<packets).map { Int64($0) * 1024 + ($0 < gap ? 0 : 300) }, sizes: (0..<packets).map(size),
            keys: nil, lastDuration: 1024)
    }

    @Test(arguments: soundRules)
    func `sound that breaks one rule is not copied, for that reason first`(_ rule: BrokenRule) throws {
        var info = try Self.clip()
        Self.sound(&info) { _ in 300 }
        let decide = { (info: MediaInfo) throws -> CopyRules.AudioVerdict in
            try CopyRules.audio(
                #require(info.audio), videoEnd: 3, frameSeconds: 1.0 / 30, .reels, Transcode.Options())
        }
        try #require(try decide(info) == .copy(droppedPackets: 0))
        rule.change(&info)
        guard case .encode(let reasons) = try decide(info) else {
            Issue.record("copied")
            return
        }
        #expect(reasons.first?.hasPrefix(rule.reason) == true, "\(reasons)")
    }

    /// What speaks against copying a picture of 24000/1001 frames a second, all of one size.
    private static func reasons(seconds: Double, megabits: Double, hasSound: Bool = true) throws -> [String] {
        var info = try clip()
        try #require(CopyRules.video(info, .reels) == [])
        let count = Int(seconds * 24000 / 1001)
        info.video.samples?.timescale = 24000
        info.video.samples?.table = SampleTable(
            times: (0..<count).map { Int64($0) * 1001 },
            sizes: Array(repeating: UInt32(megabits * 1e6 / 8 * 1001 / 24000), count: count),
            keys: Array(stride(from: 0, to: count, by: 48)), lastDuration: 1001)
        if !hasSound { info.audio = nil }
        return CopyRules.video(info, .reels)
    }

    @Test func `a mean rate over the limit is not copied, though the whole pictures of each second stay below it`()
        throws
    {
        #expect(try Self.reasons(seconds: 20, megabits: 24.9) == [])
        #expect(try Self.reasons(seconds: 20, megabits: 25.2) == ["more than 25 Mb/s"])
    }

    @Test func `a picture that leaves no room for its sound in the largest file is not copied`() throws {
        // 290 MB of picture in 15 minutes: 15.75 MB of sound at the highest rate don't fit.
        #expect(try Self.reasons(seconds: 900, megabits: 2.578) == ["too large a file"])
        #expect(try Self.reasons(seconds: 900, megabits: 2.578, hasSound: false) == [])
        #expect(try Self.reasons(seconds: 900, megabits: 2.45) == [])
    }
}
