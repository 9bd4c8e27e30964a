/// The program's own judge: reads a finished file's boxes and names every rule of the profile it breaks.
///
/// It shares nothing with the code that wrote the file but the profile's numbers, and looks only at bytes.
public struct Conformance {
    private let layout: FileLayout
    private let movie: Movie
    private let fileBytes: Int64
    private let profile: Profile
    private let copiedVideo: Bool
    private let copiedAudio: Bool
    private var violations: [Report.Violation] = []

    /// What Instagram answers to a format it can't take, and to a wrong length or size (facts of the Graph API).
    private static let formatCode = 2_207_026
    private static let lengthCode = 2_207_085

    /// Judges a file that can be read at any place; `nil` where it is no MP4 at all.
    public static func judge(
        _ source: any ByteSource, profile: Profile, copiedVideo: Bool = false, copiedAudio: Bool = false
    ) throws -> Report.ConformanceVerdict {
        guard source.isSeekable, let layout = try FileLayout.scan(source, through: .end),
            let movie = layout.moov.flatMap({ Movie($0) })
        else {
            let violation = Report.Violation(
                rule: "container", found: "no MP4 with an index", required: "MP4", instagramCode: formatCode)
            return Report.ConformanceVerdict(ready: false, failures: [violation])
        }
        let bytes = source.length ?? layout.boxes.last?.end ?? 0
        let violations = check(
            layout: layout, movie: movie, fileBytes: bytes, profile: profile, copiedVideo: copiedVideo,
            copiedAudio: copiedAudio)
        return Report.ConformanceVerdict(ready: violations.isEmpty, failures: violations)
    }

    /// Every rule that is broken, the container's first.
    static func check(
        layout: FileLayout, movie: Movie, fileBytes: Int64, profile: Profile, copiedVideo: Bool, copiedAudio: Bool
    ) -> [Report.Violation] {
        var judge = Conformance(layout, movie, fileBytes, profile, copiedVideo, copiedAudio)
        judge.checkContainer()
        let video = movie.tracks(of: "vide")
        let sound = movie.tracks(of: "soun")
        judge.require(video.count == 1, "video_tracks", "\(video.count)", "exactly one")
        judge.require(sound.count <= 1, "audio_tracks", "\(sound.count)", "at most one")
        judge.require(
            video.count + sound.count == movie.tracks.count, "other_tracks",
            "\(movie.tracks.count - video.count - sound.count)", "none")
        if let track = video.first {
            judge.checkPicture(track)
            judge.checkTiming(track)
        }
        if let track = sound.first { judge.checkSound(track) }
        if let picture = video.first, let track = sound.first { judge.checkEnds(picture, track) }
        return judge.violations
    }

    private init(
        _ layout: FileLayout, _ movie: Movie, _ fileBytes: Int64, _ profile: Profile, _ copiedVideo: Bool,
        _ copiedAudio: Bool
    ) {
        self.layout = layout
        self.movie = movie
        self.fileBytes = fileBytes
        self.profile = profile
        self.copiedVideo = copiedVideo
        self.copiedAudio = copiedAudio
    }

    private mutating func require(
        _ holds: Bool, _ rule: String, _ found: String, _ required: String,
        code: Int? = Conformance.formatCode
    ) {
        guard !holds else { return }
        violations.append(
            Report.Violation(rule: rule, found: found, required: required, instagramCode: code))
    }

    private mutating func checkContainer() {
        let order = layout.boxes.map(\.type).filter { $0 != "free" }
        require(order == ["ftyp", "moov", "mdat"], "box_order", order.joined(separator: " "), "ftyp moov mdat")
        require(layout.majorBrand != "qt  ", "container", "QuickTime", "MP4")
        require(!movie.isFragmented, "fragmented", "fragments", "one index")
        let tiles = layout.truncatedBox == nil && layout.malformedOffset == nil && layout.boxes.last?.end == fileBytes
        require(tiles, "box_sizes", "sizes that don't add up", "boxes that tile the file exactly")
        require(movie.tracks.allSatisfy { !$0.hasEditList }, "edit_list", "an edit list", "none in any track")
        let telling = movie.metadata
        require(telling.isEmpty, "metadata", telling.joined(separator: ", "), "no location or device metadata", code: nil)
        if let most = profile.maximumBytes {
            require(fileBytes <= most, "file_size", "\(fileBytes) bytes", "at most \(most) bytes", code: Conformance.lengthCode)
        }
        let media = layout.boxes.filter { $0.type == "mdat" }
        for track in movie.tracks {
            let isInside = zip(track.samples.offsets, 0..<track.samples.count).allSatisfy { offset, index in
                media.contains { $0.payloadOffset <= offset && offset + Int64(track.samples.size(of: index)) <= $0.end }
            }
            require(isInside, "sample_places", "samples outside of mdat", "all samples inside mdat")
        }
    }

    private mutating func checkPicture(_ track: Track) {
        require(track.description.type == "avc1", "video_codec", track.description.type, "avc1 (H.264)")
        guard let configuration = track.description.avcC.flatMap({ AVCConfiguration($0) }),
            let sps = configuration.spsList.first.flatMap({ SequenceParameterSet($0) })
        else {
            return require(false, "video_parameters", "no readable SPS", "an SPS in avcC")
        }
        let profiles: [UInt8] = copiedVideo ? [66, 77, 100] : [100]
        require(profiles.contains(sps.profile), "video_profile", "profile_idc \(sps.profile)", copiedVideo ? "High, Main or Baseline" : "High")
        require(sps.isFrameOnly, "progressive", "fields", "progressive")
        require(sps.is8Bit420, "pixel_format", "chroma format \(sps.chromaFormat), \(sps.lumaBitDepth) bit", "4:2:0 8 bit")
        require(sps.width % 2 == 0 && sps.height % 2 == 0, "even_sides", "\(sps.width)x\(sps.height)", "even sides")
        let aspects = [sps.usability?.pixelAspect, track.description.pixelAspect].compactMap { $0 }
        require(aspects.allSatisfy { $0.num == $0.den }, "square_pixels", "\(aspects)", "1:1")
        let colors = [sps.usability?.primaries, sps.usability?.transfer, sps.usability?.matrix]
        require(
            colors == [1, 1, 1] && sps.usability?.isFullRange != true, "color_tags",
            "\(colors.map { $0.map(String.init) ?? "none" }.joined(separator: "/"))", "BT.709 in limited range", code: nil)
        let turn = track.rotation
        require(turn != nil && (copiedVideo || turn == 0), "display_matrix", "a display matrix", "upright pixels")
        let isTurned = (turn ?? 0) % 180 != 0
        let (width, height) = isTurned ? (sps.height, sps.width) : (sps.width, sps.height)
        let longest = width == height ? profile.shortSide : profile.longSide
        require(
            max(width, height) <= longest && min(width, height) <= profile.shortSide, "picture_size",
            "\(width)x\(height)", "within \(profile.longSide)x\(profile.shortSide) by orientation")
    }

    private mutating func checkTiming(_ track: Track) {
        let scale = Double(max(1, track.timescale))
        let shown = track.samples.presentationTimes.map { Double($0) / scale }
        let times = shown.sorted()
        guard track.samples.isPlausible, times.count >= 1, let first = times.first, let last = times.last else {
            return require(false, "video_samples", "none", "at least one picture")
        }
        require(abs(first) < 0.001, "starts_at_zero", "\(first) s", "picture from second 0")
        let duration = Double(track.samples.duration) / scale
        if times.count > 1 {
            let rate = Double(times.count - 1) / (last - first)
            require(
                rate > profile.minimumFrameRate - 0.05 && rate < profile.maximumFrameRate + 0.05, "frame_rate", "\(rate)",
                "23 to 60 frames a second")
            let intervals = zip(times, times.dropFirst()).map { $1 - $0 }
            let (shortest, longest) = (intervals.min() ?? 0, intervals.max() ?? 0)
            if copiedVideo {
                require(
                    shortest > 1.0 / 61 - 2e-4 && longest < 1.0 / 20 + 2e-4, "frame_intervals",
                    "\(shortest) to \(longest) s", "1/61 to 1/20 s")
            } else {
                require(longest - shortest < 1.5 / scale, "constant_rate", "\(shortest) to \(longest) s", "one interval")
            }
        }
        let least = profile.minimumSeconds ?? 0
        let most = profile.maximumSeconds ?? .infinity
        require(
            duration > least - 0.05 && duration < most + 0.05, "duration", "\(duration) s", "\(least) to \(most) s",
            code: Conformance.lengthCode)
        let limit = copiedVideo ? profile.copiedKeyFrameSeconds : profile.keyFrameSeconds
        let keys = track.samples.syncSamples?.filter { $0 < shown.count }.map { shown[$0] } ?? times
        let gaps = zip(keys, keys.dropFirst() + [last]).map { $1 - $0 }
        require(track.samples.syncSamples?.first ?? 0 == 0, "first_key_frame", "none", "a key frame first")
        require((gaps.max() ?? 0) < limit + 0.05, "key_frames", "\(gaps.max() ?? 0) s apart", "at most \(limit) s apart")
        checkBitrate(track, duration, scale)
    }

    private mutating func checkBitrate(_ track: Track, _ duration: Double, _ scale: Double) {
        let most = Int64(profile.maximumVideoBitrate)
        let average = Int64(Double(track.samples.totalBytes) * 8 / max(0.001, duration))
        // Shorter than the rate buffer, an average says nothing.
        require(average <= most || duration < 1, "video_bitrate", "\(average) b/s", "at most \(most) b/s")
        var window: Int64 = 0
        var largest: Int64 = 0
        let perSecond = max(1, Int(Double(track.samples.count) / max(0.001, duration)))
        for index in 0..<track.samples.count {
            window += Int64(track.samples.size(of: index))
            if index >= perSecond { window -= Int64(track.samples.size(of: index - perSecond)) }
            largest = max(largest, window)
        }
        // In one second a coder may send a second's worth and empty a full rate buffer of one second.
        require(largest * 8 <= 2 * most, "peak_bitrate", "\(largest * 8) b/s", "at most \(2 * most) b in a second")
    }

    private mutating func checkSound(_ track: Track) {
        require(track.description.type == "mp4a", "audio_codec", track.description.type, "mp4a (AAC)")
        guard let config = track.description.audioSpecificConfig.flatMap({ AudioSpecificConfig($0) }) else {
            return require(false, "audio_parameters", "no readable esds", "AAC-LC")
        }
        require(config.isLowComplexity, "audio_profile", "object type \(config.objectType)", "AAC-LC")
        require(config.sampleRate <= profile.maximumSampleRate, "sample_rate", "\(config.sampleRate) Hz", "at most 48000 Hz")
        let channels = config.channelCount ?? config.channelConfiguration
        require((1...2).contains(channels), "channels", "\(channels)", "mono or stereo")
        let seconds = Double(track.samples.duration) / Double(max(1, track.timescale))
        let rate = Double(track.samples.totalBytes) * 8 / max(0.001, seconds)
        // The encoder fills its bit reservoir once; in a short file that shows in the average.
        require(
            rate <= Double(profile.maximumCopiedAudioBitrate) + 16_000 / max(1, seconds), "audio_bitrate", "\(Int(rate)) b/s",
            "at most 140000 b/s")
    }

    private mutating func checkEnds(_ picture: Track, _ sound: Track) {
        func end(_ track: Track) -> Double { Double(track.samples.duration) / Double(max(1, track.timescale)) }
        let frame = end(picture) / Double(max(1, picture.samples.count))
        let packet = 1024 / Double(max(1, sound.timescale))
        let difference = abs(end(picture) - end(sound))
        require(
            difference <= max(frame, packet) + 0.001, "track_ends", "\(difference) s apart", "within one frame", code: nil)
    }
}
