import Foundation
import Testing

@testable import Media

struct CopyCase: CustomTestStringConvertible, Sendable {
    var name: String
    var video = "copy"
    var audio = "copy"
    /// How late the source itself has the sound.
    var lag = 0.0
    var testDescription: String { name }
}

struct CopyTests {
    static let cases = [
        CopyCase(name: "copy-720p30-48k.mp4"),
        CopyCase(name: "copy-1080p30-44.1k-b-frames.mp4"),
        CopyCase(name: "copy-no-edit-list.mp4", lag: 1024 / 48000),
        CopyCase(name: "copy-untagged.mp4"),
        CopyCase(name: "copy-mono.mp4"),
        CopyCase(name: "copy-stereo-128k.mp4"),
        CopyCase(name: "copy-59.94.mp4"),
        CopyCase(name: "copy-main-profile.mp4"),
        CopyCase(name: "copy-baseline-profile.mp4"),
        CopyCase(name: "copy-key-frames-8s-apart.mp4"),
        CopyCase(name: "copy-variable-rate.mp4"),
        CopyCase(name: "copy-rotated.mp4"),
        CopyCase(name: "copy-no-audio.mp4", audio: "none"),
        CopyCase(name: "copy-from-mkv.mkv"),
        CopyCase(name: "copy-from-ts.ts"),
        CopyCase(name: "copy-fragmented.mp4"),
        CopyCase(name: "container.mkv"),
        CopyCase(name: "container.ts"),
        CopyCase(name: "container.flv"),
        // ffmpeg without edit lists: the first picture stays for 55 ms, as the source has it.
        CopyCase(name: "container-fragmented.mp4", video: "encode", audio: "encode"),
        CopyCase(name: "container.webm", video: "encode", audio: "encode", lag: -0.0065),
        // The picture's size changes in the middle, which no index tells.
        CopyCase(name: "size-change.ts", video: "encode", audio: "none"),
        CopyCase(name: "size-change.mkv", video: "encode", audio: "none"),
        CopyCase(name: "copy-video-alone.mp4", audio: "encode"),
        CopyCase(name: "copy-audio-alone.mp4", video: "encode"),
        CopyCase(name: "nocopy-audio-256k.mp4", audio: "encode"),
        CopyCase(name: "copy-edit-list-inside-gop.mp4", video: "encode"),
        CopyCase(name: "nocopy-key-frames-12s-apart.mp4", video: "encode"),
        CopyCase(name: "nocopy-open-gop.mp4", video: "encode"),
        CopyCase(name: "nocopy-high10.mp4", video: "encode"),
        CopyCase(name: "nocopy-hevc.mp4", video: "encode"),
        CopyCase(name: "nocopy-full-range.mp4", video: "encode"),
    ]

    @Test(arguments: cases)
    func `a stream is copied where it conforms, encoded where it doesn't, and each has its reasons`(source: CopyCase)
        throws
    {
        let outcome = try Engine.transcode(fixture: source.name)
        try expectConforming(outcome, minimumSeconds: 1.9)
        #expect(outcome.video?.action == source.video, "\(outcome.video?.reasons ?? [])")
        #expect(outcome.audio?.action == source.audio, "\(outcome.audio?.reasons ?? [])")
        if source.video == "encode" { #expect(outcome.video?.reasons.isEmpty == false) }
        if source.audio == "encode" { #expect(outcome.audio?.reasons.isEmpty == false) }
    }

    @Test(arguments: cases.filter { $0.audio != "none" })
    func `a copy is in sync within 5 ms`(source: CopyCase) throws {
        let outcome = try Engine.transcode(fixture: source.name)
        try #require(outcome.error == nil, "\(outcome.error.debugDescription)")
        let events = try SyncMeter(outcome.path).events
        #expect(events.count >= 3)
        for event in events { #expect(abs(event.offset - source.lag) <= 0.005, "\(event)") }
    }

    @Test func `sound that needs too many bits once the silence before it is cut is encoded`() throws {
        let folder = try Scratch.folder()
        let sound = "aevalsrc=0:d=1.2:s=48000[a];anoisesrc=d=4:r=48000:a=0.5[b];[a][b]concat=n=2:v=0:a=1"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", sound, "-ac", "2", "-c:a", "aac", "-b:a", "165k", "-cutoff", "20000"]
                + [folder + "/sound.m4a"])
        // 56 packets earlier: an edit list takes them away.
        try Shell.ffmpeg(
            ["-i", Fixture.path("copy-video-alone.mp4"), "-itsoffset", "-1.194666667", "-i", folder + "/sound.m4a"]
                + ["-map", "0:v", "-map", "1", "-c", "copy", "-copypriorss", "1", "-avoid_negative_ts", "disabled"]
                + [folder + "/cut.mp4"])
        let outcome = try Engine.transcode(path: folder + "/cut.mp4")
        try expectConforming(outcome, minimumSeconds: 1.9)
        #expect(outcome.video?.action == "copy", "\(outcome.video?.reasons ?? [])")
        #expect(outcome.audio?.reasons == ["more than 140 kb/s"])
    }

    @Test(arguments: [
        "copy-720p30-48k.mp4", "copy-1080p30-44.1k-b-frames.mp4", "copy-rotated.mp4", "copy-variable-rate.mp4",
    ])
    func `copied pictures are the source's own bytes`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        #expect(try Self.hashes(Fixture.path(name)) == Self.hashes(outcome.path))
    }

    @Test(arguments: [
        "copy-untagged.mp4", "copy-from-ts.ts", "copy-from-mkv.mkv", "copy-fragmented.mp4", "container.flv",
    ])
    func `where tags are added or units left out, the pictures still decode to the same`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        #expect(outcome.isCopied)
        func decoded(_ path: String) throws -> [Substring] {
            let text = try Shell.ffmpeg(["-i", path, "-map", "0:v", "-f", "framehash", "-"])
            return Self.hashColumn(text)
        }
        #expect(try decoded(Fixture.path(name)) == decoded(outcome.path))
    }

    @Test(arguments: [6, 14, 15])
    func `another name of BT.709's curve is copied, and BT.709 is all the result says`(transfer: UInt32) throws {
        let named = try Self.filtered("copy-720p30-48k.mp4", "h264_metadata=transfer_characteristics=\(transfer)")
        // The container alone says so, beside an SPS without tags.
        let bare = try Self.filtered(
            "copy-720p30-48k.mp4",
            "h264_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2")
        let contained = try Engine.store(
            try [UInt8](Data(contentsOf: URL(fileURLWithPath: bare))).patched("nclx", at: 0, 1 << 16 | transfer))
        for path in [named, contained] {
            let outcome = try Engine.transcode(path: path)
            try expectConforming(outcome)
            #expect(outcome.isCopied, "\(outcome.video?.reasons ?? [])")
        }
    }

    @Test(arguments: ["mp4", "mkv"])
    func `a picture that only its container cuts to the profile's size is encoded`(ending: String) throws {
        let path = try Scratch.folder() + "/1088.\(ending)"
        try Shell.ffmpeg(
            ["-i", Fixture.path("copy-1080p30-44.1k-b-frames.mp4"), "-c", "copy"]
                + ["-bsf:v", "h264_metadata=crop_bottom=0", path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        #expect(outcome.report?.output?.height == 1080)
        #expect(outcome.video?.reasons.first == "1920x1088 before the container cuts it: larger than the profile's")
    }

    @Test(arguments: [1279 << 16 | 720, 1280 << 16 | 719] as [UInt32])
    func `a picture to which its container gives an odd side is encoded`(size: UInt32) throws {
        let outcome = try Engine.transcode(path: Self.stated(size))
        try expectConforming(outcome)
        #expect(outcome.video?.reasons.first == "odd size")
    }

    @Test(arguments: [1792 << 16 | 720, 1280 << 16 | 208] as [UInt32])
    func `a size that only the container states is not passed on`(size: UInt32) throws {
        let outcome = try Engine.transcode(path: Self.stated(size))
        try expectConforming(outcome)
        #expect(outcome.isCopied)
    }

    @Test func `a copy states that its pixels are square, also where its source doesn't`() throws {
        let name = "patches-bt709.mp4"
        let outcome = try Engine.transcode(fixture: name)
        #expect(outcome.isCopied)
        func aspect(_ path: String) throws -> Rational? {
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
            return try #require(MovieClips.movie(bytes).tracks.first { $0.handler == "vide" }).pixelAspect
        }
        #expect(try aspect(Fixture.path(name)) == nil)
        #expect(try aspect(outcome.path) == Rational(1, 1))
    }

    /// A clip of 1280 by 720 whose sample entry states another width and height, 16 bits each.
    private static func stated(_ size: UInt32) throws -> String {
        var bytes = try Fixture.bytes("copy-720p30-48k.mp4")
        let description = try #require(bytes.index(of: "stsd"))
        let entry = try #require(bytes.index(of: "avc1", from: description))
        bytes.replaceSubrange((entry + 28)..<(entry + 32), with: [UInt8].word(size))
        return try Engine.store(bytes)
    }

    @Test func `parameter sets, delimiters and filling of a transport stream don't come along`() throws {
        let outcome = try Engine.transcode(fixture: "copy-from-ts.ts")
        let probe = try Probe(FileSource(path: outcome.path), threads: 1, isCancelled: { false })
        let sets = try #require(probe.info.video.samples?.sets)
        var count = 0
        while let packet = try probe.next() {
            guard packet.streamIndex == probe.videoStream.index else { continue }
            let picture = packet.codedPicture(sets.framing)
            #expect(picture.isWhole && !picture.hasForeignUnits)
            count += 1
        }
        #expect(count == 120)
    }

    @Test(arguments: ["mkv", "mp4"])
    func `a picture is copied where the sound hardly outlasts it, else encoded and held for it`(kind: String) throws {
        let folder = try Scratch.folder()
        for (late, isCopied, isForcedToo) in [(0.3, true, false), (0.7, false, true), (2, false, false)] {
            let path = "\(folder)/late-by-\(late).\(kind)"
            try Shell.ffmpeg(
                ["-itsoffset", "\(late)", "-i", Fixture.path("copy-from-mkv.mkv")]
                    + ["-i", Fixture.path("copy-from-mkv.mkv"), "-map", "1:v", "-map", "0:a", "-c", "copy", path])
            for forceEncode in isForcedToo ? [false, true] : [false] {
                let outcome = try Engine.transcode(path: path, forceEncode: forceEncode)
                try expectConforming(outcome)
                #expect(outcome.isCopied == (isCopied && !forceEncode), "\(late)")
                let seconds = try #require(outcome.report?.output?.durationSeconds)
                #expect(abs(seconds - (isCopied ? 4 : 4 + late)) < 0.06, "\(late)")
            }
        }
    }

    @Test(arguments: ["24", "30", "60"])
    func `sound may end a frame before the copied picture, and keeps nothing from a result where it ends earlier`(
        rate: String
    ) throws {
        var actions: Set<String> = []
        for shorter in stride(from: 0, through: 0.07, by: 0.01) {
            let clip = try MovieClips.make(
                MovieClips.arguments(size: "160x120", rate: rate, audio: 4 - shorter) + ["-use_editlist", "1"])
            let outcome = try Engine.transcode(path: Engine.store(clip, as: "shorter.mp4"))
            try expectConforming(outcome)
            #expect(outcome.isCopied, "\(shorter)")
            actions.insert(outcome.audio?.action ?? "none")
        }
        #expect(actions == ["copy", "encode"])
    }

    @Test func `an index without key frames, or that calls one what leans on lost pictures, is no ground for a copy`()
        throws
    {
        var unlisted = try Fixture.bytes("copy-720p30-48k.mp4")
        let list = try #require(unlisted.index(of: "stss"))
        unlisted.replaceSubrange(list..<(list + 4), with: Array("free".utf8))
        let folder = try Scratch.folder()
        let x264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-x264-params", "intra-refresh=1:keyint=30"]
        let bt709 = ["-color_range", "tv", "-colorspace", "bt709", "-color_trc", "bt709", "-color_primaries", "bt709"]
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc=s=320x180:r=30:d=12", "-pix_fmt", "yuv420p"] + x264 + bt709
                + ["\(folder)/whole.mp4"])
        try Shell.ffmpeg(
            ["-ss", "3", "-i", "\(folder)/whole.mp4", "-c", "copy", "-avoid_negative_ts", "make_zero"]
                + ["\(folder)/cut.mp4"])
        for path in [try Engine.store(unlisted), "\(folder)/cut.mp4"] {
            let outcome = try Engine.transcode(path: path)
            try expectConforming(outcome)
            #expect(outcome.video?.action == "encode")
        }
        // It begins with one; the others, which only reading shows, are none, and there are 12 s of them.
        try expectCopyFault("\(folder)/whole.mp4")
        try Shell.ffmpeg(["-i", "\(folder)/whole.mp4", "-t", "6", "-c", "copy", "\(folder)/front.mp4"])
        let outcome = try Engine.transcode(path: "\(folder)/front.mp4")
        try expectConforming(outcome)
        #expect(outcome.isCopied)
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: outcome.path)))
        let video = try #require(MovieClips.movie(bytes).tracks.first { $0.handler == "vide" })
        #expect(video.samples.syncSamples == [0])
    }

    @Test func `what only copying finds is told apart, and keeps nobody from encoding`() throws {
        try expectCopyFault(Fixture.path("size-change.mp4"))
    }

    private func expectCopyFault(_ path: String) throws {
        let failed = try Engine.run(path, .quick())
        #expect(failed.error?.code == .sourceCorrupt)
        var options = Transcode.Options.quick()
        options.copyFault = try #require(failed.error?.copyFault)
        let outcome = try Engine.run(path, options)
        try expectConforming(outcome)
        #expect(outcome.video?.reasons.first == options.copyFault)
    }

    @Test(arguments: [0, 2, 3])
    func `sound isn't copied beside pictures of which only the times of decoding are known`(reordered: Int) throws {
        let path = "\(try Scratch.folder())/reordered.avi"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4:r=48000"]
                + ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "\(reordered)", "-c:a", "aac", path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        #expect(outcome.audio?.action == (reordered == 0 ? "copy" : "encode"))
        #expect(abs(try #require(outcome.report?.output?.durationSeconds) - 4) < 0.1)
    }

    @Test func `a source that can't seek, or is larger than any output, is not read twice`() throws {
        let bytes = try Fixture.bytes("copy-from-mkv.mkv")
        let pipe = NotSeekable(bytes, name: "pipe.mkv")
        #expect(try Engine.run(pipe).report?.plan?.video.action == "encode")
        #expect(!pipe.jumped)
        let large = MemorySource(bytes, name: "large.mkv")
        var options = Transcode.Options.quick()
        options.profile = Profile(name: "tiny", minimumSeconds: 3, maximumSeconds: 900, maximumBytes: 15_000)
        let (_, report, error) = try Engine.run(large, options)
        #expect(report?.plan?.video.action != "copy")
        #expect(error == nil || error?.code == .tooLarge)
    }

    @Test func `a container's rounded times go back to the rate they came from`() throws {
        for name in ["copy-from-mkv.mkv", "container.flv", "copy-from-ts.ts", "copy-fragmented.mp4"] {
            let outcome = try Engine.transcode(fixture: name)
            #expect(outcome.isCopied)
            let times = try FFprobe.packets(outcome.path, "v").compactMap { Double($0.ptsTime ?? "") }.sorted()
            #expect(times.count == 120, "\(name)")
            for (index, time) in times.enumerated() { #expect(abs(time - Double(index) / 30) < 1e-5, "\(name)") }
        }
    }

    @Test(arguments: ["copy-720p30-48k.mp4", "copy-rotated.mp4"])
    func `--force-encode copies nothing`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name, forceEncode: true)
        try expectConforming(outcome)
        #expect(outcome.video?.action == "encode" && outcome.audio?.action == "encode")
    }

    @Test(arguments: ["sync-b-frames.mp4", "rate-29.97.mp4"])
    func `a conforming file that was made here is copied when it comes back`(name: String) throws {
        let first = try Engine.transcode(fixture: name, forceEncode: true)
        let second = try Engine.run(first.path, .quick())
        try expectConforming(second)
        #expect(second.isCopied && second.audio?.action == "copy", "\(second.report?.plan.debugDescription ?? "")")
        #expect(try Self.hashes(first.path) == Self.hashes(second.path))
    }

    /// A fixture whose picture went through one of libavcodec's bitstream filters.
    private static func filtered(_ fixture: String, _ filter: String) throws -> String {
        let path = try Scratch.folder() + "/" + fixture
        try Shell.ffmpeg(["-i", Fixture.path(fixture), "-c", "copy", "-bsf:v", filter, path])
        return path
    }

    /// A hash of each coded picture.
    private static func hashes(_ path: String) throws -> [Substring] {
        let text = try Shell.ffmpeg(["-i", path, "-map", "0:v", "-c", "copy", "-f", "framehash", "-"])
        return hashColumn(text)
    }

    private static func hashColumn(_ text: Data) -> [Substring] {
        String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
            .compactMap { $0.split(separator: ",").last }
    }
}
