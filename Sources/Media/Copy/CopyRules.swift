/// When a stream already is what the profile asks for. Each rule that is broken is a reason to encode.
///
/// A rule here is never wider than `Conformance`'s of the same name: what is copied by these must not fail there.
enum CopyRules {
    /// Why the picture can't be copied; empty: it can.
    static func video(_ info: MediaInfo, _ profile: Profile) -> [String] {
        let video = info.video
        var reasons = form(info, profile)
        if video.codec != "h264" { return reasons }
        guard let coded = video.samples else {
            return reasons.isEmpty ? [video.obstacle ?? "the container doesn't list every picture"] : reasons
        }
        let sps = coded.sets.sequence
        if ![66, 77, 100].contains(Int(sps.profile)) {
            reasons.append("H.264 profile \(video.profile ?? "\(sps.profile)")")
        }
        if !sps.is8Bit420, video.pixelFormat == "yuv420p" { reasons.append("not 4:2:0 8 bit") }
        if !sps.isFrameOnly, !video.isInterlaced { reasons.append("interlaced") }
        if [sps.width, sps.height, video.width, video.height].contains(where: { $0 % 2 != 0 }) {
            reasons.append("odd size")
        }
        // Decoders obey a container that cuts off less than a macroblock; who reads the stream alone sees it all.
        if (sps.width, sps.height) != (video.width, video.height), !profile.holds(sps.width, sps.height) {
            reasons.append("\(sps.width)x\(sps.height) before the container cuts it: larger than the profile's")
        }
        if let shape = sps.usability?.pixelAspect, shape.num != shape.den { reasons.append("pixels are not square") }
        if coded.table.count < 2 { return reasons + ["too few pictures"] }
        if let sound = info.audio?.end, sound > coded.length + Completeness.tolerance(sound) {
            reasons.append("the sound goes on after the last picture, which is held for it")
        }
        reasons += timing(coded, video, profile)
        reasons += rates(coded, hasAudio: info.audio != nil, profile)
        return reasons
    }

    /// What speaks against a copy before any packet has been listed.
    static func form(_ info: MediaInfo, _ profile: Profile) -> [String] {
        let video = info.video
        guard video.codec == "h264" else { return ["\(video.codec) is not H.264"] }
        var reasons: [String] = []
        if !["yuv420p", "yuvj420p"].contains(video.pixelFormat) { reasons.append("not 4:2:0 8 bit") }
        if video.isInterlaced { reasons.append("interlaced") }
        if abs(video.pixelAspect - 1) > 1e-6 { reasons.append("pixels are not square") }
        let size = Plan.outputSize(info.displaySize, profile)
        if size.width < Int(info.displaySize.width) - 1 || size.height < Int(info.displaySize.height) - 1 {
            reasons.append("\(video.width)x\(video.height) is larger than the profile's picture")
        }
        if !video.statesColor, video.color.matrix != 1 {
            reasons.append("untagged, and of a size that players take for BT.601: BT.709 tags would shift its colours")
        } else if video.color != .bt709 && !(video.color.isPlainBT709) {
            reasons.append("colours are not BT.709 in limited range")
        }
        if video.orientation.isMirrored { reasons.append("mirrored") }
        return reasons
    }

    /// Seconds by which sound may begin before a picture that is copied: it is cut there, as a copied picture can't be
    /// held. Muxers put AAC's first, silent packet in front, and recorders start the microphone a moment early.
    private static let longestLead = 0.1

    /// The source with second 0 at the picture's start, where only a moment of sound comes before it.
    static func beginningWithPicture(_ info: MediaInfo) -> MediaInfo {
        guard let coded = info.video.samples, let first = coded.table.presentationTimes.min(),
            let start = info.video.timeline.presentation(of: coded.seconds(first)), start > 0, start <= longestLead
        else { return info }
        return info.advanced(by: start)
    }

    private static func timing(_ coded: MediaInfo.CodedVideo, _ video: MediaInfo.Video, _ profile: Profile) -> [String]
    {
        let shown = coded.table.presentationTimes.map { coded.seconds($0) }
        let times = shown.sorted()
        guard let first = times.first, let last = times.last else { return ["too few pictures"] }
        var reasons: [String] = []
        let rate = Double(times.count - 1) / max(1e-9, last - first)
        if rate < profile.minimumFrameRate * 0.999 || rate > profile.maximumFrameRate * 1.001 {
            reasons.append("\(Int(min(rate, 1e9).rounded())) pictures a second")
        }
        // A hair for the arithmetic: 1/20 s in any ticks is 1/20 s.
        let intervals = zip(times, times.dropFirst()).map { $1 - $0 }
        if intervals.contains(where: { $0 < 1.0 / 61 - 1e-6 || $0 > 1.0 / 20 + 1e-6 }) {
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
        return reasons + groups(coded, shown, end: last + coded.lastDuration, profile)
    }

    private static func groups(
        _ coded: MediaInfo.CodedVideo, _ shown: [Double], end: Double, _ profile: Profile
    ) -> [String] {
        // Where there is no list all of them are, by the standard; but a writer that keeps none says so of any picture.
        guard let syncs = coded.table.syncSamples else { return ["the index doesn't list key frames"] }
        var reasons: [String] = []
        let marks = syncs.filter { $0 < shown.count }.map { shown[$0] }
        let ends = Array(marks.dropFirst()) + [end]
        if syncs.first != 0 { reasons.append("doesn't begin with a key frame") }
        if zip(marks, ends).contains(where: { $1 - $0 > profile.copiedKeyFrameSeconds + 1e-6 }) {
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
                return reasons + ["open groups of pictures"]
            }
        }
        return reasons
    }

    private static func rates(_ coded: MediaInfo.CodedVideo, hasAudio: Bool, _ profile: Profile) -> [String] {
        let table = coded.table
        let seconds = max(0.001, coded.length)
        let perSecond = max(1, Int(Double(table.count) / seconds))
        var reasons: [String] = []
        var window: Int64 = 0
        var largest: Int64 = 0
        for index in 0..<table.count {
            window += Int64(table.size(of: index))
            if index >= perSecond { window -= Int64(table.size(of: index - perSecond)) }
            largest = max(largest, window)
        }
        if (0..<table.count).contains(where: { table.size(of: $0) == 0 }) { reasons.append("empty pictures") }
        // The pictures of one second, and as their number was rounded down, the mean too.
        let bits = max(Double(largest), Double(table.totalBytes) / seconds) * 8
        if bits > Double(profile.maximumVideoBitrate) { reasons.append("more than 25 Mb/s") }
        if let most = profile.maximumBytes {
            // 2 % of the bytes are kept for the index and the reserve in the head.
            let sound = hasAudio ? Double(profile.maximumCopiedAudioBitrate) / 8 * seconds : 0
            if Double(table.totalBytes) + sound > Double(most) * 0.98 { reasons.append("too large a file") }
        }
        return reasons
    }
}

extension MediaInfo.CodedVideo {
    /// A time of the table on the stream's clock.
    func seconds(_ ticks: Int64) -> Double { origin + Double(ticks) / Double(max(1, timescale)) }

    /// How long the last picture stays, in seconds.
    var lastDuration: Double { Double(table.timeRuns.last?.delta ?? 0) / Double(max(1, timescale)) }

    /// From the first picture to the end of the last, in seconds.
    var length: Double {
        let times = table.presentationTimes
        return seconds(times.max() ?? 0) - seconds(times.min() ?? 0) + lastDuration
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
