import Testing

@testable import Media

/// Fragments of a few bytes that would cost libavformat gigabytes, or a core for minutes that nobody can stop.
struct HostileFragmentTests {
    /// Runs and samples without a field of their own, of which the first three fragments claim 60 million.
    static func manySamples() throws -> [UInt8] {
        var bytes = try FragmentWalkTests.clip.get()
        var start = 0
        for _ in 0..<3 {
            let run = try #require(bytes.index(of: "trun", from: start))
            bytes.replaceSubrange((run + 4)..<(run + 12), with: [UInt8].word(1) + .word(20_000_000))
            start = run + 4
        }
        return bytes
    }

    /// The second track has no header that could be read, and so no number.
    static func trackWithoutNumber() throws -> [UInt8] {
        var bytes = try FragmentWalkTests.clip.get()
        let first = try #require(bytes.index(of: "tkhd"))
        let second = try #require(bytes.index(of: "tkhd", from: first + 4))
        bytes.replaceSubrange(second..<(second + 4), with: Array("tkyt".utf8))
        return bytes
    }

    /// The same behind a box that no MP4 begins with.
    static func hidden() throws -> [UInt8] { try .box("zzzz") + manySamples() }

    static let clips: [String: @Sendable () throws -> [UInt8]] = [
        "many samples": manySamples, "a track without a number": trackWithoutNumber, "hidden": hidden,
    ]

    @Test(.timeLimit(.minutes(5)), arguments: clips.keys.sorted(), [true, false])
    func `a fragment that claims too much is refused at once`(name: String, isSeekable: Bool) throws {
        let bytes = try #require(try Self.clips[name]?())
        let source = isSeekable ? MemorySource(bytes, name: "bomb.mp4") : NotSeekable(bytes, name: "bomb.mp4")
        let begun = ContinuousClock.now
        let (_, _, error) = try Engine.run(source)
        #expect(error?.code == .sourceCorrupt, "\(error.debugDescription)")
        #expect(ContinuousClock.now - begun < .seconds(10))
        if let error { ErrorTests.expectSentence(error) }
    }
}
