/// When a stream already is what the profile asks for. Each rule that is broken is a reason to encode.
enum CopyRules {
    /// Why the picture can't be copied; empty: it can.
    static func video(_ info: MediaInfo, _ profile: Profile) -> [String] {
        let video = info.video
        guard video.codec == "h264" else { return ["\(video.codec) is not H.264"] }
        guard let coded = video.samples else { return ["the container doesn't list every picture"] }
        var reasons: [String] = []
        let sps = coded.parameters
        if ![66, 77, 100].contains(Int(sps.profile)) {
            reasons.append("H.264 profile \(video.profile ?? "\(sps.profile)")")
        }
        if !sps.is8Bit420 { reasons.append("not 4:2:0 8 bit") }
        if !sps.isFrameOnly || video.isInterlaced { reasons.append("interlaced") }
        if sps.width % 2 != 0 || sps.height % 2 != 0 { reasons.append("odd size") }
        if abs(video.pixelAspect - 1) > 1e-6 { reasons.append("pixels are not square") }
        let size = Plan.outputSize(info.displaySize, profile)
        if size.width < Int(info.displaySize.width) - 1 || size.height < Int(info.displaySize.height) - 1 {
            reasons.append("\(video.width)x\(video.height) is larger than the profile's picture")
        }
        if video.color != .bt709 && !(video.color.isPlainBT709) {
            reasons.append("colours are not BT.709 in limited range")
        }
        if video.orientation.isMirrored { reasons.append("mirrored") }
        reasons += timing(coded, video, profile)
        reasons += rates(coded, profile)
        return reasons
    }

    private static func timing(_ coded: MediaInfo.CodedVideo, _ video: MediaInfo.Video, _ profile: Profile) -> [String]
    {
        let scale = Double(max(1, coded.timescale))
        let shown = coded.table.presentationTimes.map { Double($0) / scale }
        let times = shown.sorted()
        guard times.count >= 2, let first = times.first, let last = times.last else { return ["too few pictures"] }
        var reasons: [String] = []
        let rate = Double(times.count - 1) / max(1e-9, last - first)
        if rate < profile.minimumFrameRate - 0.03 || rate > profile.maximumFrameRate + 0.03 {
            reasons.append("\(Int(rate.rounded())) pictures a second")
        }
        let intervals = zip(times, times.dropFirst()).map { $1 - $0 }
        if intervals.contains(where: { $0 < 1.0 / 61 - 1e-4 || $0 > 1.0 / 20 + 1e-4 }) {
            reasons.append("the distance between pictures varies too much")
        }
        // The whole stream has to be shown from its first picture on: a copy can't cut inside a group of pictures.
        let segment = video.timeline.segments[0]
        let start = video.timeline.presentation(of: first) ?? 1
        if video.timeline.segments.count > 1 || segment.mediaStart > first + 1e-3 || abs(start) > 1e-3
            || segment.mediaEnd < last
        {
            reasons.append("the edit list cuts or moves the picture")
        }
        if let syncs = coded.table.syncSamples {
            let marks = syncs.filter { $0 < shown.count }.map { shown[$0] }
            let ends = Array(marks.dropFirst()) + [last]
            if syncs.first != 0 { reasons.append("doesn't begin with a key frame") }
            if zip(marks, ends).contains(where: { $1 - $0 > profile.copiedKeyFrameSeconds + 0.05 }) {
                reasons.append("key frames are more than 10 s apart")
            }
            // A picture shown before a key frame that precedes it in the file leans on the group before.
            var sync = syncs.makeIterator()
            var next = sync.next()
            var key = -Double.infinity
            for (index, time) in shown.enumerated() {
                if index == next {
                    key = time
                    next = sync.next()
                } else if time < key - 1e-6 {
                    reasons.append("open groups of pictures")
                    break
                }
            }
        }
        return reasons
    }

    private static func rates(_ coded: MediaInfo.CodedVideo, _ profile: Profile) -> [String] {
        let table = coded.table
        let perSecond = max(
            1, Int(Double(table.count) / max(0.001, Double(table.duration) / Double(max(1, coded.timescale)))))
        var reasons: [String] = []
        var window: Int64 = 0
        var largest: Int64 = 0
        for index in 0..<table.count {
            window += Int64(table.size(of: index))
            if index >= perSecond { window -= Int64(table.size(of: index - perSecond)) }
            largest = max(largest, window)
        }
        if largest * 8 > Int64(profile.maximumVideoBitrate) { reasons.append("more than 25 Mb/s") }
        if let most = profile.maximumBytes, table.totalBytes > most - most / 50 { reasons.append("too large a file") }
        return reasons
    }

    enum AudioVerdict: Equatable {
        case copy(droppedPackets: Int)
        case encode(reasons: [String])
    }

    /// Seconds the sound of a copy may be off: the contract's 5 ms with room for the picture's own rounding.
    private static let syncTolerance = 0.004

    /// Whether whole AAC packets give sound that is in sync and ends with the picture.
    static func audio(
        _ audio: MediaInfo.Audio, videoEnd: Double, frameSeconds: Double, _ profile: Profile,
        _ options: Transcode.Options
    ) -> AudioVerdict {
        if options.forceEncode { return .encode(reasons: ["encoding was asked for"]) }
        guard audio.codec == "aac" else { return .encode(reasons: ["\(audio.codec) is not AAC"]) }
        guard let coded = audio.samples else { return .encode(reasons: ["the container doesn't list every packet"]) }
        var reasons: [String] = []
        if !coded.config.isLowComplexity { reasons.append("not AAC-LC") }
        if audio.sampleRate > profile.maximumSampleRate { reasons.append("\(audio.sampleRate) Hz") }
        if audio.channels > 2 { reasons.append("\(audio.channels) channels") }
        let seconds = Double(coded.table.duration) / Double(max(1, coded.timescale))
        if Double(coded.table.totalBytes) * 8 / max(0.1, seconds) > Double(profile.maximumCopiedAudioBitrate) {
            reasons.append("more than 140 kb/s")
        }
        let runs = coded.table.timeRuns
        if Int(coded.timescale) != audio.sampleRate || runs.dropLast().contains(where: { $0.delta != 1024 })
            || (runs.last?.delta ?? 0) > 1024 || !coded.table.compositionRuns.isEmpty
        {
            reasons.append("packets are not evenly spaced")
        }
        guard audio.timeline.segments.count == 1, let segment = audio.timeline.segments.first else {
            return .encode(reasons: reasons + ["the edit list cuts the sound"])
        }
        // Where on the finished video's clock the media's sample 0 would be heard, in packets.
        let packet = 1024 / Double(max(1, audio.sampleRate))
        let zero =
            segment.mediaStart.isFinite ? segment.presentationStart - segment.mediaStart : segment.presentationStart
        let dropped = (-zero / packet).rounded()
        if dropped < 0 || abs(zero + dropped * packet) > syncTolerance
            || segment.presentationStart > syncTolerance && segment.mediaStart.isFinite
        {
            reasons.append("whole packets can't bring the sound into sync")
        }
        let end = min(zero + seconds, audio.timeline.end ?? .infinity)
        if end < videoEnd - frameSeconds { reasons.append("ends before the picture") }
        if end > videoEnd + 0.5 { reasons.append("outlasts the picture") }
        return reasons.isEmpty ? .copy(droppedPackets: Int(dropped)) : .encode(reasons: reasons)
    }
}

extension SequenceParameterSet {
    /// Whether the SPS itself carries all three BT.709 tags.
    var statesBT709: Bool {
        usability?.primaries == 1 && usability?.transfer == 1 && usability?.matrix == 1
    }
}

extension ColorDescription {
    /// BT.709 in limited range but for names of the same curve.
    var isPlainBT709: Bool { primaries == 1 && [1, 6, 14, 15].contains(transfer) && matrix == 1 && !fullRange }
}
