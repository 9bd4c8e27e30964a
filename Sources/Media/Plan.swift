/// What will be done with each stream, and why: a pure function of what the source is and what the profile asks.
struct Plan: Sendable {
    var profile: Profile
    /// The source with its times on the clock of the finished video.
    var source: MediaInfo
    var video: VideoAction
    var videoReasons: [String]
    var audio: AudioAction
    var audioReasons: [String]
    /// How long a picture of the result is shown, on average.
    var frameSeconds: Double
    /// Deinterlace before anything else.
    var deinterlaces: Bool

    enum VideoAction: Sendable {
        /// - Parameter addsColorTags: write the BT.709 tags the SPS lacks.
        case copy(addsColorTags: Bool)
        case encode(VideoEncoder.Settings, PictureConverter.Target)
    }

    enum AudioAction: Sendable {
        case none
        /// - Parameter droppedPackets: whole packets in front of the picture's start.
        case copy(droppedPackets: Int)
        case encode(sampleRate: Int, channels: Int)
    }

    var copiesVideo: Bool { if case .copy = video { true } else { false } }
    var copiesAudio: Bool { if case .copy = audio { true } else { false } }

    /// Decides.
    init(_ info: MediaInfo, _ profile: Profile, _ options: Transcode.Options) throws {
        self.profile = profile
        source = info
        try Plan.checkDuration(info, profile)
        let begun = CopyRules.beginningWithPicture(info)
        let against =
            options.forceEncode
            ? ["encoding was asked for"] : options.copyFault.map { [$0] } ?? CopyRules.video(begun, profile)
        let (settings, encoderReason) = Plan.settings(info, profile, options)
        if against.isEmpty, let coded = info.video.samples {
            let addsTags = !coded.sets.sequence.statesBT709
            video = .copy(addsColorTags: addsTags)
            videoReasons = ["conforms to the profile"] + (addsTags ? ["BT.709 tags are added"] : [])
            source = begun
            source.video.end = coded.length
            frameSeconds = coded.length / Double(max(1, coded.table.count))
        } else {
            try Plan.checkColors(info)
            video = .encode(settings, Plan.target(info, settings))
            videoReasons = against + [encoderReason]
            source = FrameGrid.align(info, rate: settings.frameRate.value)
            source.video.end = source.video.shownEnd ?? source.video.end
            frameSeconds = settings.frameRate.inverse.value
        }
        deinterlaces = info.video.isInterlaced
        guard let audio = source.audio else {
            self.audio = .none
            audioReasons = ["the source has no sound that can be decoded"]
            return
        }
        var end = source.video.end ?? .infinity
        // An encoded picture ends with a whole frame.
        if case .encode = video { end = (end / frameSeconds).rounded() * frameSeconds }
        switch CopyRules.audio(audio, videoEnd: end, frameSeconds: frameSeconds, profile, options) {
        case .copy(let dropped):
            self.audio = .copy(droppedPackets: dropped)
            audioReasons = ["conforms to the profile"]
        case .encode(let reasons):
            self.audio = .encode(
                sampleRate: audio.sampleRate % 11025 == 0 ? 44100 : 48000, channels: min(2, audio.channels))
            audioReasons = reasons
        }
    }

    private static func checkColors(_ info: MediaInfo) throws {
        guard !info.video.color.isPlainlyCoded else { return }
        throw MediaError(
            .unsupportedVideoCodec,
            "the colours of \(info.name) are coded as \(info.video.color.matrixName), which can't be converted; export the"
                + " video as HLG, HDR10 or SDR")
    }

    /// `too_short` and `too_long`, as soon as the header tells.
    static func checkDuration(_ info: MediaInfo, _ profile: Profile) throws {
        guard let duration = info.duration else { return }
        try check(duration: duration, profile)
    }

    /// Allows a duration that rounds to the limit: half a frame of 24 a second.
    static func check(duration: Double, _ profile: Profile) throws {
        if let least = profile.minimumSeconds, duration < least - 0.02 {
            throw MediaError(
                .tooShort, "the video lasts \(short(duration)) s; \(profile.name) needs at least \(short(least)) s")
        }
        if let most = profile.maximumSeconds, duration > most + 0.02 {
            throw MediaError(
                .tooLong,
                "the video lasts \(short(duration)) s; \(profile.name) takes at most \(short(most)) s: trim it")
        }
    }

    /// Seconds beyond which nothing of the finished video can lie: the profile's longest, or what the source announces
    /// with a minute's grace. A damaged time must not become hours of one picture or of silence.
    var timeLimit: Double {
        let announced = source.duration.map { $0 + 60 } ?? Plan.longestSeconds
        return min(announced, (profile.maximumSeconds ?? .infinity) + 1)
    }

    /// Seconds one picture may stand, or silence may last between two sounds. A screen recording rests for minutes; a
    /// longer gap is a damaged time.
    static let longestRest = 900.0

    /// A day: longer than any clip.
    private static let longestSeconds = 86_400.0

    /// What it means that a time lies beyond `timeLimit`.
    func refuseTime(_ seconds: Double) throws {
        try Plan.check(duration: seconds, profile)
        throw MediaError(
            .sourceCorrupt, "the times in \(source.name) jump to \(Plan.short(seconds)) s; export the video again")
    }

    private static func short(_ seconds: Double) -> String {
        let tenths = Int((min(max(seconds, -1e12), 1e12) * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    private static func settings(
        _ info: MediaInfo, _ profile: Profile, _ options: Transcode.Options
    ) -> (VideoEncoder.Settings, reason: String) {
        let (rate, _) = FrameRate.choose(times: info.video.times, declared: info.video.declaredRate)
        let size = outputSize(info.displaySize, profile)
        let limit = bitrateCeiling(
            seconds: info.duration ?? profile.maximumSeconds, hasAudio: info.audio != nil, profile)
        let pixelRate = Double(size.width * size.height) * rate.value
        let (choice, reason) = EncoderChoice.choose(limit: limit, pixelRate: pixelRate, options)
        let settings = VideoEncoder.Settings(
            width: size.width, height: size.height, frameRate: rate, choice: choice, maximumBitrate: limit,
            bufferSeconds: bufferSeconds, keyFrameInterval: max(1, Int(rate.value * profile.keyFrameSeconds)))
        return (settings, reason)
    }

    /// Length of x264's rate buffer in seconds.
    private static let bufferSeconds = 1.0

    /// Highest video rate with which a file of this length keeps its size and its average, whatever is in the picture.
    ///
    /// A rate buffer lets any stretch take rate × (length + buffer) at most, so a short clip is given less. 4 % of the
    /// bytes are kept for the index, the sound's own variation and the reserve in the head.
    static func bitrateCeiling(seconds: Double?, hasAudio: Bool, _ profile: Profile) -> Int {
        let most = Double(profile.maximumVideoBitrate)
        guard let seconds, seconds > 0 else { return Int(most * 0.75) }
        let stretch = seconds + bufferSeconds
        var rate = most * seconds / stretch
        if let bytes = profile.maximumBytes {
            let audio = hasAudio ? Double(profile.maximumCopiedAudioBitrate) * seconds : 0
            rate = min(rate, (Double(bytes) * 8 * 0.96 - audio) / (stretch + 1))
        }
        return max(100_000, Int(rate))
    }

    /// The picture's upright size: fits the profile's box by orientation, square pixels, even, never enlarged.
    static func outputSize(_ display: (width: Double, height: Double), _ profile: Profile) -> (width: Int, height: Int)
    {
        let long = Double(profile.longSide)
        let short = Double(profile.shortSide)
        let box: (Double, Double) =
            if abs(display.width - display.height) < 1 { (short, short) } else if display.width > display.height {
                (long, short)
            } else { (short, long) }
        let scale = min(1, box.0 / display.width, box.1 / display.height)
        func even(_ value: Double, _ limit: Double) -> Int {
            Int(min(limit, max(16, (value / 2).rounded() * 2)))
        }
        return (
            even(display.width * scale - (scale == 1 ? 0.5 : 0), box.0),
            even(display.height * scale - (scale == 1 ? 0.5 : 0), box.1)
        )
    }

    private static func target(_ info: MediaInfo, _ settings: VideoEncoder.Settings) -> PictureConverter.Target {
        PictureConverter.Target(
            width: settings.width, height: settings.height, orientation: info.video.orientation,
            color: info.video.color, pixelAspect: info.video.pixelAspect)
    }
}
