import Testing

@testable import Media

struct IndexedTrackTests {
    /// Six seconds in fragments whose picture says of itself that it lasts for ever.
    private static func endless() throws -> [UInt8] {
        var bytes = try FragmentWalkTests.clip.get()
        var header = 0
        for type in ["moov", "trak", "mdia", "mdhd"] {
            header = try #require(bytes.index(of: type, from: header))
            let size = bytes[(header - 4)..<header].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            // Times of 64 bits take twelve bytes more.
            bytes.replaceSubrange((header - 4)..<header, with: [UInt8].word(size + 12))
        }
        let payload = header + 4
        let (timescale, language) = (bytes[(payload + 12)..<(payload + 16)], bytes[(payload + 20)..<(payload + 24)])
        bytes.replaceSubrange(
            payload..<(payload + 24),
            with: .words(1 << 24, 0, 0, 0, 0) + timescale + .words(0x7fff_ffff, 0xffff_ffff) + language)
        return bytes
    }

    @Test func `a length that no clip can have is none: the fragments tell how long it is`() throws {
        let (sink, report, error) = try Engine.run(MemorySource(Self.endless(), name: "endless.mp4"))
        #expect(error == nil)
        #expect(abs((report?.input?.durationSeconds ?? 0) - 6) < 0.1)
        #expect(try Judge.conforms(Engine.store(sink.file ?? []), Judge.Allowance(copiedVideo: true)) == [])
    }
}
