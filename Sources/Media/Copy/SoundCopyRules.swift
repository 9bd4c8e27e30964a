extension CopyRules {
    enum AudioVerdict: Equatable {
        case copy(droppedPackets: Int)
        case encode(reasons: [String])
    }

    /// Seconds the sound of a copy may be off: the contract's 5 ms with room for the picture's own rounding.
    private static let syncTolerance = 0.004

    /// What speaks against a copy before any packet has been listed.
    static func form(_ audio: MediaInfo.Audio, _ profile: Profile) -> [String] {
        guard audio.codec == "aac" else { return ["\(audio.codec) is not AAC"] }
        var reasons: [String] = []
        if !audio.isLowComplexity { reasons.append("not AAC-LC") }
        if audio.sampleRate > profile.maximumSampleRate { reasons.append("\(audio.sampleRate) Hz") }
        if audio.channels > 2 { reasons.append("\(audio.channels) channels") }
        return reasons
    }

    /// Whether whole AAC packets give sound that is in sync and ends with the picture.
    ///
    /// - Parameters:
    ///   - videoEnd: when the picture ends, in seconds of the finished video; infinite where that is not known yet.
    ///   - frameSeconds: how long one picture stays.
    static func audio(
        _ audio: MediaInfo.Audio, videoEnd: Double, frameSeconds: Double, _ profile: Profile,
        _ options: Transcode.Options
    ) -> AudioVerdict {
        if options.forceEncode { return .encode(reasons: ["encoding was asked for"]) }
        var reasons = form(audio, profile)
        if audio.codec != "aac" { return .encode(reasons: reasons) }
        guard let coded = audio.samples, coded.table.count > 0 else {
            let obstacle = audio.obstacle ?? "the container doesn't list every packet"
            return .encode(reasons: reasons.isEmpty ? [obstacle] : reasons)
        }
        if audio.isLowComplexity, !coded.config.isLowComplexity { reasons.append("not AAC-LC") }
        if coded.config.samplesPerPacket != AudioEncoder.packetSamples { reasons.append("packets of 960 samples") }
        if (0..<coded.table.count).contains(where: { coded.table.size(of: $0) == 0 }) {
            reasons.append("empty packets")
        }
        if coded.config.sampleRate != audio.sampleRate || !(1...2).contains(coded.config.channelCount ?? 0) {
            reasons.append("its description and its sound differ")
        }
        guard audio.timeline.segments.count == 1, let segment = audio.timeline.segments.first else {
            return .encode(reasons: reasons + ["the edit list cuts the sound"])
        }
        // Where on the finished video's clock each packet would be heard.
        let shift = segment.presentationStart - (segment.mediaStart.isFinite ? segment.mediaStart : 0) + coded.origin
        let scale = Double(max(1, coded.timescale))
        let packet = Double(AudioEncoder.packetSamples) / Double(max(1, audio.sampleRate))
        var dropped = 0
        var heard = 0
        var isEven = coded.table.compositionRuns.isEmpty
        for (index, ticks) in coded.table.decodeTimes.enumerated() {
            let start = shift + Double(ticks) / scale
            if start < -packet / 2 {
                dropped = index + 1
            } else if start < videoEnd, abs(start - Double(index - dropped) * packet) > syncTolerance {
                if index == dropped { reasons.append("whole packets can't bring the sound into sync") }
                isEven = false
                break
            }
            if start < videoEnd { heard = index + 1 }
        }
        if segment.presentationStart > syncTolerance && segment.mediaStart.isFinite {
            reasons.append("silence has to come first")
        }
        if !isEven { reasons.append("packets are not evenly spaced") }
        // Of what is kept: silence that is cut off in front would make the rest seem to need less.
        let kept = dropped..<max(dropped, heard)
        let bits = Double(kept.reduce(0) { $0 + coded.table.size(of: $1) }) * 8
        if bits > Double(profile.maximumCopiedAudioBitrate) * max(0.1, Double(kept.count) * packet) {
            reasons.append("more than 140 kb/s")
        }
        let bound = audio.timeline.end ?? .infinity
        // What lies behind the picture by its time fills no gap before the end.
        let beside = min(Double(max(0, heard - dropped)) * packet, bound)
        if isEven, beside < videoEnd - frameSeconds { reasons.append("ends before the picture") }
        let end = min(Double(coded.table.count - dropped) * packet, bound)
        if end > videoEnd + 0.5 { reasons.append("outlasts the picture") }
        return reasons.isEmpty ? .copy(droppedPackets: dropped) : .encode(reasons: reasons)
    }
}
