import Testing

@testable import Media

struct FirstPictureTests {
    @Test func `pictures so large that the decoder's threads wait for more than is read at most still give the first`()
        throws
    {
        // Noise of 17 MB a picture, of which 16 threads want as many before they give one.
        let path = try Scratch.folder() + "/noise.mov"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "nullsrc=s=4096x4096:r=30,geq=random(1)*255:128:128"]
                + ["-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "utvideo", "-pred", "none", path])
        try Shell.ffmpeg(["-stream_loop", "5", "-i", path, "-c", "copy", path + ".mov"])
        let probe = try Probe(FileSource(path: path + ".mov"), threads: 16, isCancelled: { false })
        #expect([probe.info.video.width, probe.info.video.height] == [4096, 4096])
        #expect(probe.takeHeadStart() == nil)
        var count = 0
        while try probe.next() != nil { count += 1 }
        #expect(count == 6)
    }

    @Test func `sound in front of the picture isn't counted against it`() throws {
        // 12 s of Opus are 600 packets.
        let path = try Scratch.folder() + "/late.webm"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "sine=d=18", "-itsoffset", "12.5"]
                + ["-f", "lavfi", "-i", "testsrc=s=320x180:r=30:d=5.5", "-map", "1:v", "-map", "0:a"]
                + ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", path])
        let outcome = try Engine.run(path, .quick())
        try expectConforming(outcome)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 18) < 0.1)
        #expect(try FFprobe.read(outcome.path).audio != nil)
    }

    @Test func `a recording that begins in the middle of a group of pictures is looked into up to the next`() throws {
        // 6.5 s without a key frame: 390 packets of the video and 305 of the sound.
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=60:d=12", "-f", "lavfi", "-i", "sine=r=48000:d=12"]
                + ["-c:v", "libx264", "-preset", "ultrafast", "-g", "480", "-sc_threshold", "0", "-c:a", "aac"],
            as: "ts")
        let start = bytes.count / 188 / 8 * 188
        let probe = try Probe(MemorySource(bytes[start...], name: "cut.ts"), threads: 2, isCancelled: { false })
        #expect(probe.info.video.width == 320)
    }

    @Test func `a broadcast whose first key frame comes after more than libavformat's 7 s is looked into up to there`()
        throws
    {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=16", "-f", "lavfi", "-i", "sine=d=16", "-c:v", "libx264"]
                + ["-preset", "ultrafast", "-g", "999", "-sc_threshold", "0", "-force_key_frames", "12"], as: "ts")
        let whole = try Engine.run(MemorySource(bytes, name: "whole.ts"))
        let (_, report, error) = try Engine.run(MemorySource(bytes[(bytes.count / 188 / 12 * 188)...], name: "cut.ts"))
        #expect(error == nil)
        let seconds = try #require(whole.report?.output?.durationSeconds)
        #expect((8..<(seconds - 0.2)).contains(report?.output?.durationSeconds ?? 0))
    }

    @Test func `a broadcast without any key frame has no picture that can be decoded`() throws {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=30:d=4", "-c:v", "libx264", "-preset", "ultrafast"]
                + ["-g", "999", "-sc_threshold", "0"], as: "ts")
        let (_, _, error) = try Engine.run(MemorySource(bytes[(bytes.count / 188 / 2 * 188)...], name: "cut.ts"))
        #expect(error?.code == .sourceCorrupt)
        #expect(error?.description.contains("export it as H.264") == false)
    }

    @Test func `sound without end in front of the picture is refused`() throws {
        // A packet for each sample, 8000 a second.
        let path = try Scratch.folder() + "/late.mkv"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "sine=r=8000:d=19,asetnsamples=n=1", "-itsoffset", "14"]
                + ["-f", "lavfi", "-i", "testsrc=s=320x180:r=30:d=5", "-map", "1:v", "-map", "0:a"]
                + ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_u8", path])
        let begun = ContinuousClock.now
        let error = #expect(throws: MediaError.self) {
            try Probe(FileSource(path: path), threads: 1, isCancelled: { false })
        }
        #expect(error?.code == .sourceCorrupt)
        #expect(ContinuousClock.now - begun < .seconds(10))
    }
}
