import Testing

@testable import Media

/// Decisions on a clip that may be copied, with other pictures listed in it.
struct CopyRulesTests {
    /// What speaks against copying a picture of 24000/1001 frames a second, all of one size.
    private static func reasons(seconds: Double, megabits: Double, hasSound: Bool = true) throws -> [String] {
        var info = try Probe(
            FileSource(path: Fixture.path("copy-720p30-48k.mp4")), threads: 1, isCancelled: { false }
        ).info
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
