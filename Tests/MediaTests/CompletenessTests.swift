import Testing

@testable import Media

struct CompletenessTests {
    /// The clip with its sound declared, and not one packet of it: a recorder with the microphone off.
    private static func silent(_ ending: String, _ options: [String] = []) throws -> [UInt8] {
        try MovieClips.make(
            ["-i", Fixture.path("copy-stereo-128k.mp4"), "-c", "copy", "-bsf:a", "noise=drop=1"] + options, as: ending)
    }

    static let containers = ["mkv", "flv", "avi", "mp4", "ts", "fragmented mp4"]

    @Test(arguments: containers, [true, false])
    func `a declared sound of which nothing comes doesn't make the picture incomplete`(name: String, forceEncode: Bool)
        throws
    {
        let bytes =
            name == "fragmented mp4"
            ? try Self.silent("mp4", ["-movflags", "+frag_keyframe+empty_moov"]) : try Self.silent(name)
        var sources: [MemorySource] = [MemorySource(bytes, name: "silent")]
        if name != "mp4" { sources.append(NotSeekable(bytes, name: "silent")) }
        for source in sources {
            let (sink, report, error) = try Engine.run(source, .quick(forceEncode: forceEncode))
            #expect(error == nil)
            guard let report else { continue }
            let path = try Engine.store(sink.file ?? [])
            #expect(
                try Judge.conforms(path, Judge.Allowance(copiedVideo: report.plan?.video.action == "copy")) == [])
            #expect(abs((report.output?.durationSeconds ?? 0) - 4) < 0.1)
            if report.plan?.audio.action != "none" {
                #expect(report.warnings.contains { $0.contains("no sound") }, "\(report.warnings)")
            }
        }
    }

    @Test func `sound that an index lists and that doesn't come is missed, though the picture is whole`() throws {
        // The sound begins five seconds late and so lies behind all of the picture; the pipe ends between them.
        let clip = Fixture.path("copy-stereo-128k.mp4")
        let bytes = try MovieClips.make(
            ["-i", clip, "-itsoffset", "5", "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy"]
                + ["-movflags", "+faststart"])
        let sound = try #require(try MovieClips.movie(bytes).tracks(of: "soun").first?.samples.chunkOffsets.first)
        let (_, _, error) = try Engine.run(NotSeekable(Array(bytes[..<Int(sound)]), name: "cut.mp4"))
        #expect(error?.code == .sourceTruncated, "\(error.debugDescription)")
    }

    @Test(arguments: ["copy-stereo-128k.mp4", "copy-audio-alone.mp4"], [false, true])
    func `damage in sound is found, and told where it is little`(name: String, forceEncode: Bool) throws {
        let clip = try Fixture.bytes(name)
        let samples = try #require(try MovieClips.movie(clip).tracks(of: "soun").first?.samples)
        func run(damaging damaged: Range<Int>) throws -> (Report?, MediaError?) {
            var bytes = clip
            for chunk in samples.chunks {
                var start = Int(chunk.offset)
                for sample in chunk.firstSample..<chunk.firstSample + chunk.sampleCount {
                    let place = start..<start + samples.size(of: sample)
                    if damaged.contains(sample) { bytes.replaceSubrange(place, with: place.map { _ in 0xFF }) }
                    start = place.upperBound
                }
            }
            let (_, report, error) = try Engine.run(
                MemorySource(bytes, name: name), .quick(forceEncode: forceEncode))
            let action = forceEncode ? "encode" : "copy"
            #expect(report?.plan?.audio.action ?? action == action)
            return (report, error)
        }
        let (whole, _) = try run(damaging: 0..<0)
        #expect(whole?.warnings == [])
        let (little, none) = try run(damaging: 90..<91)
        #expect(none == nil && little?.warnings.contains { $0.contains("1 of 189 packets of sound") } == true)
        let (_, error) = try run(damaging: 90..<94)
        #expect(error?.code == .sourceCorrupt, "\(error.debugDescription)")
    }

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

    @Test(arguments: ["mkv", "webm", "flv"], [0.6, 10, 600])
    func `a recording that begins late on its container's clock is no longer for it`(ending: String, start: Double)
        throws
    {
        let path = try Scratch.folder() + "/late.\(ending)"
        let fixture = Fixture.path(ending == "webm" ? "container.webm" : "copy-720p30-48k.mp4")
        // FLV without its own length: libavformat takes the last time in the file for one.
        try Shell.ffmpeg(
            ["-i", fixture, "-c", "copy", "-output_ts_offset", "\(start)"]
                + (ending == "flv" ? ["-flvflags", "no_duration_filesize"] : []) + [path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        #expect(abs((outcome.report?.input?.durationSeconds ?? 0) - 4) < 0.05)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 4) < 0.05)
    }

    @Test(arguments: ["tv", "pc"], [24, 30, 60])
    func `copied sound may end a little before a copied or encoded picture`(range: String, rate: Int) throws {
        // 4 s are 187.5 packets.
        for packets in 184...189 {
            let bytes = try MovieClips.make(
                ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=\(rate):d=4", "-f", "lavfi", "-i", "sine=r=48000:d=5"]
                    + MovieClips.coding + ["-color_range", range, "-frames:a", "\(packets)"])
            let (sink, report, error) = try Engine.run(MemorySource(bytes, name: "short.mp4"))
            #expect(error == nil, "\(packets) packets")
            #expect(report?.plan?.video.action == (range == "tv" ? "copy" : "encode"))
            let ends = try MovieClips.movie(try #require(sink.file)).tracks.map(\.seconds)
            #expect(abs(ends[0] - ends[1]) < max(1 / Double(rate), 1024.0 / 48000) + 0.001, "\(packets) packets")
        }
    }

    /// These containers tell one length for all that is in them.
    @Test(arguments: ["mkv", "flv"], [(picture: 6, sound: 4), (picture: 4, sound: 6)])
    func `a stream that ends before its container's length is whole where another reaches it`(
        ending: String, seconds: (picture: Int, sound: Int)
    ) throws {
        let path = try Scratch.folder() + "/uneven.\(ending)"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=\(seconds.picture)"]
                + ["-f", "lavfi", "-i", "sine=r=48000:d=\(seconds.sound)"] + MovieClips.coding + [path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 6) < 0.1)
    }

    /// Seconds that a container declares, and that are there.
    @Test(arguments: [(10, 9.51), (10, 11), (0.4, 0), (200, 198.01), (900, 891.1)])
    func `half a second or a hundredth may be missing at the end`(declared: Double, decoded: Double) throws {
        try Completeness.checkEnd("picture", decoded, declared)
    }

    @Test(arguments: [(10, 9.49), (3, 2.4), (200, 197.9), (900, 890.9), (10, 0)])
    func `more than that is a source that was cut`(declared: Double, decoded: Double) {
        let error = #expect(throws: MediaError.self) { try Completeness.checkEnd("picture", decoded, declared) }
        #expect(error?.code == .sourceTruncated)
    }

    @Test func `one packet in a hundred may be damaged, and one of fewer`() throws {
        for (packets, most) in [(1, 1), (50, 1), (199, 1), (200, 2), (3000, 30)] {
            try Completeness.checkDamage("picture", (packets, most))
            let error = #expect(throws: MediaError.self) {
                try Completeness.checkDamage("picture", (packets, most + 1))
            }
            #expect(error?.code == .sourceCorrupt, "\(packets)")
        }
    }
}
