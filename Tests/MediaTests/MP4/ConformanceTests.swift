import Foundation
import Testing

@testable import Media

struct ConformanceTests {
    /// The rules a file breaks, in the judge's order and each once.
    private func rules(
        _ bytes: [UInt8], profile: Profile = .reels, copiedVideo: Bool = false, copiedAudio: Bool = false
    ) throws -> [String] {
        let verdict = try Conformance.judge(
            BytesSource(bytes), profile: profile, copiedVideo: copiedVideo, copiedAudio: copiedAudio)
        #expect(verdict.ready == verdict.failures.isEmpty)
        #expect(verdict.failures.allSatisfy { !$0.found.isEmpty && !$0.required.isEmpty })
        var seen: Set<String> = []
        return verdict.failures.map(\.rule).filter { seen.insert($0).inserted }
    }

    /// Expects a file to break these rules and no others.
    private func expect(
        _ bytes: [UInt8], profile: Profile = .reels, copiedVideo: Bool = false, copiedAudio: Bool = false,
        breaks expected: [String], _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let found = try rules(bytes, profile: profile, copiedVideo: copiedVideo, copiedAudio: copiedAudio)
        #expect(found == expected, comment, sourceLocation: sourceLocation)
    }

    private func conforming() throws -> [UInt8] { try MovieClips.conforming.get() }

    /// A variant of the conforming clip: output options that win over its own.
    private func variant(_ options: [String], seconds: Double = 4, size: String = "320x240", rate: String = "30") throws
        -> [UInt8]
    {
        try MovieClips.make(MovieClips.arguments(seconds: seconds, size: size, rate: rate) + options)
    }

    private func limits(bytes: Int64? = nil, from: Double? = nil, to: Double? = nil) -> Profile {
        Profile(name: "test", minimumSeconds: from, maximumSeconds: to, maximumBytes: bytes)
    }

    @Test func `a file that keeps the table has no violations`() throws {
        for (rate, gop) in [("30", "60"), ("24000/1001", "47"), ("60", "120"), ("25", "50"), ("60000/1001", "119")] {
            let bytes = try variant(["-g", gop], rate: rate)
            try expect(bytes, breaks: [], "\(rate)")
            try expect(bytes, copiedVideo: true, copiedAudio: true, breaks: [], "\(rate) copied")
        }
        try expect(variant(["-an"]), breaks: [])
        try expect(variant(["-ac", "1"]), breaks: [])
        try expect(variant(["-bf", "2"]), breaks: [])
        try expect(variant([], size: "1080x1920", rate: "24"), breaks: [])
    }

    @Test func `files of another kind, and QuickTime files, are no MP4`() throws {
        try expect(Array("RIFF    AVI LIST".utf8), breaks: ["container"])
        let movie = try MovieClips.make(MovieClips.arguments(), as: "mov")
        #expect(try rules(movie).contains("container"))
    }

    @Test func `the movie box comes first, and nothing else is between`() throws {
        try expect(variant(["-movflags", "negative_cts_offsets"]), breaks: ["moov_first"])
        let bytes = try conforming()
        try expect(bytes + .box("free", [0, 0]), breaks: [])
        try expect(bytes + .box("mdat"), breaks: ["box_order"])
        try expect(bytes + .box("skip"), breaks: ["box_order"])
        try expect(bytes + .box("uuid", [1]), breaks: ["box_order", "metadata"])
    }

    @Test func `a fragmented file is refused`() throws {
        let found = try rules(variant(["-movflags", "frag_keyframe+empty_moov+default_base_moof"]))
        #expect(found.contains("fragmented"))
    }

    @Test func `boxes fill the file exactly`() throws {
        let bytes = try conforming()
        try expect(bytes + [0, 0, 0], breaks: ["file_tiling"])
        #expect(try rules(bytes.dropLast(100)).contains("file_tiling"))
        try expect(bytes + .word(3) + .word(0), breaks: ["file_tiling"])
    }

    @Test func `the file and its duration stay within the profile`() throws {
        let bytes = try conforming()
        try expect(bytes, profile: limits(bytes: Int64(bytes.count)), breaks: [])
        try expect(bytes, profile: limits(bytes: Int64(bytes.count) - 1), breaks: ["file_size"])
        try expect(bytes, profile: limits(from: 4.1), breaks: ["duration"])
        try expect(bytes, profile: limits(from: 4.01, to: 3.99), breaks: [], "a frame of slack")
        try expect(bytes, profile: limits(to: 3.9), breaks: ["duration"])
        try expect(variant([], seconds: 2.5), breaks: ["duration"])
        let codes = try Conformance.judge(BytesSource(bytes), profile: limits(to: 1)).failures.map(\.instagramCode)
        #expect(codes == [2_207_085])
    }

    @Test func `an unreadable movie box is named`() throws {
        let bytes = try conforming()
        let broken = try bytes.patched("mvhd", at: -4, 0x7878_7878)
        try expect(broken, breaks: ["movie"])
    }

    @Test func `exactly one video track, at most one audio track, no others`() throws {
        try expect(variant(["-vn"]), breaks: ["video_tracks"])
        try expect(variant(["-map", "0:v", "-map", "0:v", "-map", "1:a"]), breaks: ["video_tracks"])
        try expect(variant(["-map", "0:v", "-map", "1:a", "-map", "1:a"]), breaks: ["audio_tracks"])
        #expect(try rules(variant(["-timecode", "01:00:00:00"])).contains("other_tracks"))
    }

    @Test func `edit lists are refused, in any track`() throws {
        let found = try Conformance.judge(
            BytesSource(variant(["-use_editlist", "1", "-movflags", "faststart", "-bf", "2"])), profile: .reels
        ).failures.filter { $0.rule == "edit_list" }
        #expect(found.count == 2)
    }

    @Test func `encrypted samples and changing descriptions are refused`() throws {
        let bytes = try variant([
            "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
            "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8",
        ])
        #expect(try rules(bytes).contains("encrypted"))
        var movie = try MovieClips.movie(conforming())
        movie.tracks[0].descriptionCount = 2
        #expect(try check(movie) == ["sample_entries"])
    }

    @Test func `places and devices are not told`() throws {
        try expect(variant(["-metadata", "location=+48.1374+011.5755/"]), breaks: ["metadata"])
        try expect(variant(["-metadata", "comment=at home"]), breaks: ["metadata"])
        try expect(variant(["-fflags", "-bitexact"]), breaks: [], "the writer's name is harmless")
        let keys = try rules(
            variant([
                "-movflags", "+faststart+negative_cts_offsets+use_metadata_tags", "-metadata",
                "com.apple.quicktime.make=Apple",
            ]))
        #expect(keys == ["metadata"])
    }

    @Test func `the picture is H.264 of the profile asked for`() throws {
        #expect(try rules(variant(["-c:v", "mpeg4", "-profile:v", "0"])).contains("video_codec"))
        for (profile, copied) in [("main", [String]()), ("baseline", [])] {
            let bytes = try variant(["-profile:v", profile])
            try expect(bytes, breaks: ["video_profile"])
            try expect(bytes, copiedVideo: true, breaks: copied)
        }
        let bytes = try conforming()
        try expect(bytes.patched("avcC", at: 0, 0x0200_0000), breaks: ["video_codec"])
    }

    @Test func `the picture is progressive, 4:2:0 and of 8 bits`() throws {
        try expect(variant(["-flags:v", "+bitexact+ildct+ilme"]), breaks: ["progressive"])
        try expect(
            variant(["-pix_fmt", "yuv422p", "-profile:v", "high422"]), breaks: ["video_profile", "pixel_format"])
        try expect(
            variant(["-pix_fmt", "yuv420p10le", "-profile:v", "high10"]),
            breaks: [
                "video_profile", "pixel_format",
            ])
        let odd = try variant(["-pix_fmt", "yuv444p", "-profile:v", "high444", "-vf", "scale=321:241"])
        let found = try rules(odd)
        #expect(found.contains("even_size"), "\(found)")
    }

    @Test func `the picture fits the profile in both orientations and is as large as announced`() throws {
        try expect(variant([], size: "1922x200"), breaks: ["frame_size"])
        try expect(variant([], size: "200x1922"), breaks: ["frame_size"])
        try expect(
            variant(["-preset", "ultrafast", "-x264-params", "8x8dct=1:cabac=1"], size: "1082x1082"),
            breaks: [
                "frame_size"
            ])
        var movie = try MovieClips.movie(conforming())
        movie.tracks[0].width = 300
        #expect(try check(movie) == ["declared_size"])
    }

    @Test func `what a sample description leaves of a copied picture has even sides too`() throws {
        for (width, height, expected) in [(318, 238, []), (319, 240, ["even_size"]), (320, 239, ["even_size"])] {
            var movie = try MovieClips.movie(conforming())
            movie.tracks[0].description.width = width
            movie.tracks[0].description.height = height
            (movie.tracks[0].width, movie.tracks[0].height) = (Double(width), Double(height))
            #expect(try check(movie, copiedVideo: true) == expected)
        }
    }

    @Test func `pixels are square, by the stream and by the container`() throws {
        #expect(try rules(variant(["-vf", "setsar=4/3"])).contains("pixel_aspect"))
        let bytes = try variant(["-bsf:v", "h264_metadata=sample_aspect_ratio=4/3"])
        try expect(bytes, breaks: ["pixel_aspect"])
        try expect(conforming().patched("pasp", at: 0, 2), breaks: ["pixel_aspect"])
    }

    @Test func `the stream is tagged BT.709, limited range`() throws {
        for options in ["colour_primaries=9", "transfer_characteristics=16", "matrix_coefficients=6"] {
            try expect(variant(["-bsf:v", "h264_metadata=\(options)"]), breaks: ["colour_tags"], "\(options)")
        }
        try expect(variant(["-bsf:v", "h264_metadata=video_full_range_flag=1"]), breaks: ["colour_tags"])
        let unknown = ["-colorspace", "unknown", "-color_primaries", "unknown", "-color_trc", "unknown"]
        try expect(variant(unknown), breaks: ["colour_tags"])
        var movie = try MovieClips.movie(conforming())
        movie.tracks[0].description.colour = .init(primaries: 9, transfer: 16, matrix: 9, isFullRange: false)
        #expect(try check(movie) == ["colour_tags"])
    }

    @Test func `encoded pictures are upright; copied ones may be turned by the track`() throws {
        let bytes = try MovieClips.remux(conforming(), ["-metadata:s:v", "rotate=90"])
        try expect(bytes, breaks: ["rotation"])
        try expect(bytes, copiedVideo: true, breaks: [])
        var movie = try MovieClips.movie(conforming())
        movie.tracks[0].matrix[0] = -65536
        #expect(try check(movie) == ["rotation"])
        #expect(try check(movie, copiedVideo: true) == ["rotation"], "a mirror is no rotation")
    }

    @Test func `encoded pictures come at a constant rate; copied ones within bounds`() throws {
        let dropped = try variant(["-vf", "select='not(eq(n,50))'", "-vsync", "vfr"])
        try expect(dropped, breaks: ["constant_frame_rate"])
        try expect(dropped, copiedVideo: true, breaks: ["frame_interval"])
        let mild = try variant(["-vf", "select='not(eq(n,50))'", "-vsync", "vfr", "-g", "100"], rate: "50")
        try expect(mild, copiedVideo: true, breaks: [])
        #expect(try rules(variant([], rate: "15")).contains("frame_rate"))
        try expect(variant([], rate: "120"), breaks: ["frame_rate"])
        #expect(try rules(variant([], rate: "21"), copiedVideo: true).contains("frame_rate"))
    }

    @Test func `key frames come first and often enough, and close their groups`() throws {
        try expect(variant(["-g", "61"]), breaks: ["key_frame_interval"])
        let rare = try variant(["-g", "300"])
        try expect(rare, breaks: ["key_frame_interval"])
        try expect(rare, copiedVideo: true, breaks: [])
        let rarer = try variant(["-g", "600", "-preset", "ultrafast"], seconds: 11)
        try expect(rarer, copiedVideo: true, breaks: ["key_frame_interval"])
        try expect(conforming().patched("stss", at: 8, 2), breaks: ["first_key_frame"])
        let open = try variant(["-bf", "2", "-x264-params", "open-gop=1:keyint=48"])
        try expect(open, breaks: ["closed_gop"])
    }

    @Test func `the picture's rate stays within the limit on average and in every second`() throws {
        func noise(_ size: String, _ when: String) -> [String] {
            ["-f", "lavfi", "-i", "color=gray:s=\(size):r=30:d=4,noise=alls=100:allf=t:enable='\(when)'"]
                + MovieClips.coding + ["-preset", "ultrafast", "-x264-params", "8x8dct=1", "-crf", "2", "-an"]
        }
        try expect(MovieClips.make(noise("480x320", "lt(t,4)")), breaks: ["video_bitrate", "peak_bitrate"])
        try expect(MovieClips.make(noise("480x320", "lt(t,1)")), breaks: ["peak_bitrate"])
    }

    @Test func `the tables agree, and every sample lies in the media at a time of its own`() throws {
        let bytes = try conforming()
        try expect(bytes.patched("stts", at: 8, 119), breaks: ["sample_table", "declared_duration"])
        try expect(bytes.patched("stco", at: 8, 8), breaks: ["media_offsets"])
        #expect(try rules(bytes.patched("stts", at: 12, 0)).contains("timestamps"))
        var movie = try MovieClips.movie(bytes)
        movie.tracks[0].mediaDuration += 5000
        movie.tracks[0].mediaDuration *= 2
        #expect(try check(movie).contains("declared_duration"))
        movie = try MovieClips.movie(bytes)
        movie.tracks[1].movieDuration /= 2
        #expect(try check(movie) == ["declared_duration"])
    }

    @Test func `both tracks start at zero and end together`() throws {
        let delayed = try variant(["-bf", "2", "-movflags", "faststart"])
        try expect(delayed, breaks: ["start_time", "audio_timing", "track_ends"])
        let short = try MovieClips.make(MovieClips.arguments(audio: 3.8))
        try expect(short, breaks: ["track_ends"])
    }

    @Test func `the sound is AAC-LC within the limits`() throws {
        try expect(variant(["-c:a", "ac3"]), breaks: ["audio_codec"])
        try expect(variant(["-c:a", "libmp3lame"]), breaks: ["audio_codec"])
        try expect(variant(["-ar", "96000"]), breaks: ["audio_sample_rate"])
        try expect(variant(["-ac", "6", "-b:a", "120k"]), breaks: ["audio_channels"])
        let loud = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=4", "-f", "lavfi", "-i", "anoisesrc=d=4:r=48000"]
                + MovieClips.coding + ["-b:a", "200k"])
        try expect(loud, breaks: ["audio_bitrate"])
    }

    /// Judges a movie that was altered after reading, with the conforming file around it.
    private func check(_ movie: Movie, copiedVideo: Bool = false) throws -> [String] {
        let bytes = try conforming()
        return Conformance.check(
            layout: try MovieClips.layout(bytes), movie: movie, fileBytes: Int64(bytes.count), profile: .reels,
            copiedVideo: copiedVideo, copiedAudio: false
        ).map(\.rule)
    }
}
