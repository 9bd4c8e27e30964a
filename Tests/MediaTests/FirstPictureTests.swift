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
}
