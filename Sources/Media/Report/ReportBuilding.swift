extension Report {
    /// Fills in what is known of the source.
    mutating func describe(_ info: MediaInfo) {
        let video = info.video
        let size = info.displaySize
        let (rate, isVariable) = FrameRate.choose(times: video.times, declared: video.declaredRate)
        let average =
            video.times.count > 1 && (video.times.last ?? 0) > (video.times.first ?? 0)
            ? Double(video.times.count - 1) / ((video.times.last ?? 1) - (video.times.first ?? 0)) : rate.value
        input = Input(
            name: info.name, bytes: info.bytes, container: info.container, durationSeconds: info.duration,
            video: Video(
                codec: video.codec, profile: video.profile, pixelFormat: video.pixelFormat, width: video.width,
                height: video.height, displayWidth: Int(size.width.rounded()),
                displayHeight: Int(size.height.rounded()),
                rotation: video.orientation.clockwiseDegrees, frameRate: average, variableFrameRate: isVariable,
                transfer: video.color.transferName, primaries: video.color.primariesName,
                matrix: video.color.matrixName,
                range: video.color.rangeName, interlaced: video.isInterlaced, hdr: video.color.isHDR),
            audio: info.audio.map { Audio(codec: $0.codec, sampleRate: $0.sampleRate, channels: $0.channels) },
            skippedTracks: info.skipped)
    }

    /// Fills in what was decided.
    mutating func describe(_ plan: Plan) {
        var video = VideoPlanSummary(action: plan.copiesVideo ? "copy" : "encode", reasons: plan.videoReasons)
        if case .encode(let settings, _) = plan.video {
            video.encoder = "libx264"
            video.preset = settings.choice.preset
            video.crf = settings.choice.crf
            video.maxBitrate = settings.maximumBitrate
        }
        let action: String =
            switch plan.audio {
            case .none: "none"
            case .copy: "copy"
            case .encode: "encode"
            }
        self.plan = PlanSummary(
            profile: plan.profile.name, video: video,
            audio: AudioPlanSummary(action: action, reasons: plan.audioReasons))
    }
}
