/// What the sound is, and how long both tracks last.
extension Conformance {
    mutating func checkSound(_ audio: Track) {
        let config = audio.audioSpecificConfig.flatMap { AudioSpecificConfig($0) }
        let isMPEG4Audio = audio.sampleEntry == "mp4a" && audio.description.objectTypeIndication == 0x40
        guard isMPEG4Audio, let config, config.isLowComplexity else {
            var found = audio.sampleEntry.isEmpty ? "an unreadable description" : audio.sampleEntry
            if let config { found += " with object type \(config.hasBandReplication ? 5 : config.objectType)" }
            report("audio_codec", found: found, required: "AAC-LC, mp4a with object type 2")
            return
        }
        if config.sampleRate > profile.maximumSampleRate {
            report(
                "audio_sample_rate", found: "\(config.sampleRate) Hz",
                required: "at most \(profile.maximumSampleRate) Hz")
        }
        // By the esds: libavformat writes 2 into the sample description of mono AAC.
        guard let channels = config.channelCount, (1...2).contains(channels) else {
            let found = config.channelCount.map { "\($0) channels" } ?? "an unknown number of channels"
            report("audio_channels", found: found, required: "mono or stereo")
            return
        }
    }

    mutating func checkSoundTiming(_ audio: Track) {
        // Sound is not reordered, but a stray ctts could move it.
        if let first = audio.samples.presentationTimes.min() {
            checkStart(first, timescale: audio.timescale, name: "audio")
        }
        let limit = Double(profile.maximumCopiedAudioBitrate)
        let bits = Double(audio.samples.totalBytes) * 8
        let seconds = Double(audio.samples.duration) / Double(audio.timescale)
        // One full packet of two channels more: in a clip of a few seconds the first ones weigh in the average.
        if bits > limit * seconds + 6144 * 2 {
            report(
                "audio_bitrate", found: Self.rate(seconds > 0 ? bits / seconds : bits),
                required: "at most \(Self.rate(limit)) on average", code: nil)
        }
        if !copiedAudio { checkPackets(audio) }
    }

    /// A gap in encoded sound is how libavformat hides a track that starts late: the picture would run ahead.
    private mutating func checkPackets(_ audio: Track) {
        guard let config = audio.audioSpecificConfig.flatMap({ AudioSpecificConfig($0) }) else { return }
        let expected = Double(config.samplesPerPacket) / Double(config.sampleRate) * Double(audio.timescale)
        let lastRun = audio.samples.timeRuns.count - 1
        for (index, run) in audio.samples.timeRuns.enumerated() {
            let counted = index == lastRun ? run.count &- min(run.count, 1) : run.count
            if counted > 0, abs(Double(run.delta) - expected) >= 1 {
                report(
                    "audio_timing", found: "packets of \(run.delta) ticks of 1/\(audio.timescale) s",
                    required: "\(Self.text(expected)) ticks for every packet but the last", code: nil)
                return
            }
        }
    }

    mutating func checkDurations(_ movie: Movie, video: Track?, audio: Track?) {
        let frame = video.map { Self.sampleSeconds($0) } ?? 0
        for track in [video, audio].compactMap({ $0 }) where track.timescale > 0 {
            checkDeclaredDuration(track, of: movie, slack: max(Self.sampleSeconds(track), 0.001))
        }
        if let video, let audio, video.samples.count > 0, audio.samples.count > 0 {
            let packet = 1024 / max(1, audio.sampleRate)
            if abs(video.seconds - audio.seconds) > max(frame, packet) + 0.000_1 {
                report(
                    "track_ends",
                    found: "video of \(Self.text(video.seconds)) s, audio of \(Self.text(audio.seconds)) s",
                    required: "tracks that end within one frame of each other", code: nil)
            }
        }
        let seconds = max(video?.seconds ?? 0, audio?.seconds ?? 0)
        if let minimum = profile.minimumSeconds, seconds + frame < minimum {
            report(
                "duration", found: "\(Self.text(seconds)) s", required: "at least \(Self.text(minimum)) s",
                code: Self.limitCode)
        }
        if let maximum = profile.maximumSeconds, seconds - frame > maximum {
            report(
                "duration", found: "\(Self.text(seconds)) s", required: "at most \(Self.text(maximum)) s",
                code: Self.limitCode)
        }
    }

    /// The media header and the track header have to say what the samples add up to.
    private mutating func checkDeclaredDuration(_ track: Track, of movie: Movie, slack: Double) {
        guard track.samples.count > 0 else { return }
        let counted = Double(track.samples.duration) / Double(track.timescale)
        let header = movie.timescale > 0 ? Double(track.movieDuration) / Double(movie.timescale) : 0
        if abs(track.seconds - counted) > slack || abs(header - counted) > slack {
            report(
                "declared_duration",
                found: "\(Self.text(counted)) s of samples in track \(track.id), announced as "
                    + "\(Self.text(track.seconds)) s and \(Self.text(header)) s",
                required: "headers that tell the samples' duration", code: nil)
        }
    }

    /// Average duration of a sample in seconds.
    private static func sampleSeconds(_ track: Track) -> Double {
        guard track.samples.count > 0, track.timescale > 0 else { return 0 }
        return Double(track.samples.duration) / Double(track.timescale) / Double(track.samples.count)
    }
}
