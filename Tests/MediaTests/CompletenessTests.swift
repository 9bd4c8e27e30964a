import Testing

@testable import Media

struct CompletenessTests {
    @Test(arguments: [true, false])
    func `a track that says it doesn't know its length is as long as its fragments`(isSeekable: Bool) throws {
        var bytes = try Fixture.bytes("container-fragmented.mp4")
        var start = 0
        while let header = bytes.index(of: "mdhd", from: start) {
            bytes.replaceSubrange((header + 20)..<(header + 24), with: [UInt8].word(.max))
            start = header + 4
        }
        #expect(start > 0)
        let (_, report, error) = try Engine.run(
            isSeekable ? MemorySource(bytes, name: "unknown.mp4") : NotSeekable(bytes, name: "unknown.mp4"))
        #expect(error == nil)
        #expect(abs((report?.output?.durationSeconds ?? 0) - 4) < 0.1)
        if isSeekable { #expect(abs((report?.input?.durationSeconds ?? 0) - 4) < 0.1) }
    }

    static let codecs = [
        ["-c:v", "mpeg4", "-b:v", "4M", "-c:a", "libmp3lame", "-b:a", "128k"],
        ["-c:v", "mpeg1video", "-b:v", "4M", "-c:a", "libvorbis", "-b:a", "500k"],
    ]

    @Test(arguments: codecs)
    func `a length guessed from the bit rate is nobody's word`(codecs: [String]) throws {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=8,noise=alls=20:allf=t"]
                + ["-f", "lavfi", "-i", "sine=f=440:r=48000:d=8", "-ac", "2"] + codecs
                + ["-f", "matroska", "-live", "1"], as: "mkv")
        let (_, report, error) = try Engine.run(MemorySource(bytes, name: "live.mkv"))
        #expect(error == nil)
        #expect(abs((report?.output?.durationSeconds ?? 0) - 8) < 0.1)
    }
}
