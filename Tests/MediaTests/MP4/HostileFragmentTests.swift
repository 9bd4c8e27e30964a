import Testing

@testable import Media

/// Fragments of a few bytes that would cost libavformat gigabytes, or a core for minutes that nobody can stop.
struct HostileFragmentTests {
    /// The bytes with other words in the first boxes of a type, counted from the end of the type.
    private static func patched(
        _ bytes: [UInt8], _ type: String, times: Int, at offset: Int, _ words: [UInt8]
    ) throws -> [UInt8] {
        var (bytes, start) = (bytes, 0)
        for _ in 0..<times {
            start = try #require(bytes.index(of: type, from: start)) + 4
            bytes.replaceSubrange((start + offset)..<(start + offset + words.count), with: words)
        }
        return bytes
    }

    /// Runs and samples without a field of their own, of which the first three fragments claim 60 million.
    static func manySamples() throws -> [UInt8] {
        try patched(FragmentWalkTests.clip.get(), "trun", times: 3, at: 0, .words(1, 20_000_000))
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

    /// A run of 80 million samples, with the defaults and the header it needs.
    private static let bomb: [UInt8] = [
        .box("trex", .words(0, 1, 1, 512, 1, 0)), .box("tfhd", .words(0, 1)), .box("trun", .words(0, 80_000_000)),
    ].flatMap { (box: [UInt8]) in box }

    /// It lies behind the description of a plain movie's pictures.
    static func inDescription() throws -> [UInt8] {
        var bytes = try MovieClips.conforming.get()
        let path = ["moov", "trak", "mdia", "minf", "stbl", "stsd", "avc1"]
        var boxes: [Int] = []
        for type in path { boxes.append(try #require(bytes.index(of: type, from: (boxes.last ?? 32) + 5)) - 4) }
        let size = { (box: Int) in Int(bytes[box..<(box + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) }
        let end = try #require(boxes.last.map { $0 + size($0) })
        for box in boxes { bytes.replaceSubrange(box..<(box + 4), with: [UInt8].word(UInt32(size(box) + bomb.count))) }
        bytes.insert(contentsOf: bomb, at: end)
        return bytes
    }

    /// It lies in what describes protection, behind a plain movie.
    static func inProtection() throws -> [UInt8] { try MovieClips.conforming.get() + .box("sinf", bomb) }

    /// Each of two tracks of a plain movie announces nine million samples of a byte.
    static func listedSamples() throws -> [UInt8] {
        try patched(MovieClips.conforming.get(), "stsz", times: 2, at: 4, .words(1, 9_000_000))
    }

    /// Each with words that tell who refuses it: libavformat would do so too, but late.
    static let clips: [String: (make: @Sendable () throws -> [UInt8], words: String)] = [
        "many samples": (manySamples, "more samples than any video"),
        "a track without a number": (trackWithoutNumber, "no number of its own"),
        "hidden": (hidden, "doesn't begin as an MP4"), "in a description": (inDescription, "in a wrong place"),
        "listed samples": (listedSamples, "more samples than any video"),
    ]

    @Test(.timeLimit(.minutes(5)), arguments: clips.keys.sorted(), [true, false])
    func `a fragment that claims too much is refused at once`(name: String, isSeekable: Bool) throws {
        let (make, words) = try #require(Self.clips[name])
        let bytes = try make()
        let source = isSeekable ? MemorySource(bytes, name: "bomb.mp4") : NotSeekable(bytes, name: "bomb.mp4")
        let begun = ContinuousClock.now
        let (_, _, error) = try Engine.run(source)
        #expect(error?.code == .sourceCorrupt && error?.message.contains(words) == true, "\(error.debugDescription)")
        #expect(ContinuousClock.now - begun < .seconds(10))
        if let error { ErrorTests.expectSentence(error) }
    }

    @Test func `what claims too much behind a plain movie is refused in a file, and in a pipe gets no memory`() throws {
        let bytes = try Self.inProtection()
        #expect(try Engine.run(MemorySource(bytes, name: "bomb.mp4")).error?.code == .sourceCorrupt)
        #expect(try Engine.run(NotSeekable(bytes, name: "bomb.mp4")).error?.code == .outOfMemory)
    }
}
