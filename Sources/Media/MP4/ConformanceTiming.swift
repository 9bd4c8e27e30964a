/// Where the samples lie and when they are shown.
extension Conformance {
    /// Checks that a track's tables can be trusted and that its samples lie in the media; `false` where not, and
    /// then nothing that expands the tables may be asked.
    mutating func checkSamples(_ track: Track, name: String) -> Bool {
        let samples = track.samples
        guard samples.count > 0, samples.isPlausible, track.timescale > 0 else {
            let found =
                samples.count == 0
                ? "no samples in the \(name) track" : "tables of the \(name) track that contradict one another"
            report("sample_table", found: found, required: "a time, a size and a place for every sample")
            return false
        }
        let media = layout.boxes.filter { $0.type == "mdat" }
        let mediaBytes = media.reduce(Int64(0)) { $0 &+ max(0, $1.end &- $1.payloadOffset) }
        guard samples.totalBytes <= mediaBytes, samples.chunks.allSatisfy({ Self.lies($0, in: media) }) else {
            report(
                "media_offsets", found: "samples of the \(name) track outside the media",
                required: "every sample inside mdat")
            return false
        }
        // The last sample's duration is the only one that may be unknown.
        let isLastUnknown = samples.timeRuns.last.map { $0.delta == 0 && $0.count == 1 } ?? false
        let runs = isLastUnknown ? samples.timeRuns.dropLast() : samples.timeRuns[...]
        if runs.contains(where: { $0.delta == 0 && $0.count > 0 }) {
            report(
                "timestamps", found: "samples of the \(name) track at the same time",
                required: "times that grow from sample to sample")
        }
        return true
    }

    /// Boxes lie in file order, so the one that could hold a chunk is found by halving.
    private static func lies(_ chunk: SampleTable.Chunk, in media: [FileLayout.Box]) -> Bool {
        var low = 0
        var high = media.count
        while low < high {
            let middle = (low + high) / 2
            if media[middle].payloadOffset <= chunk.offset { low = middle + 1 } else { high = middle }
        }
        return low > 0 && chunk.end <= media[low - 1].end
    }

    mutating func checkVideoTiming(_ video: Track) {
        let decoded = Array(video.samples.presentationTimes)
        let shown = video.samples.compositionRuns.isEmpty ? decoded : decoded.sorted()
        guard let first = shown.first, let last = shown.last else { return }
        checkStart(first, timescale: video.timescale, name: "video")
        var shortest = Int64.max
        var longest: Int64 = 0
        for index in shown.indices.dropFirst() {
            let interval = shown[index] &- shown[index - 1]
            shortest = min(shortest, interval)
            longest = max(longest, interval)
        }
        if shown.count > 1 {
            if shortest <= 0 {
                report("timestamps", found: "two pictures at the same time", required: "one time for each picture")
            } else {
                let average = Double(last &- first) / Double(shown.count - 1)
                checkRate(shortest: shortest, longest: longest, average: average, timescale: video.timescale)
            }
        }
        checkKeyFrames(video, times: decoded, first: first)
        checkVideoBitrate(video)
    }

    mutating func checkStart(_ first: Int64, timescale: UInt32, name: String) {
        if first != 0 {
            report(
                "start_time", found: "\(name) that starts at \(Self.text(Double(first) / Double(timescale))) s",
                required: "tracks that start at 0 s", code: nil)
        }
    }

    /// Intervals are in ticks of `timescale`; a copied track's may be off by the tick its times are rounded to.
    private mutating func checkRate(shortest: Int64, longest: Int64, average: Double, timescale: UInt32) {
        let scale = Double(timescale)
        if copiedVideo {
            if Double(shortest + 1) < scale / 61 || Double(longest - 1) > scale / 20 {
                report(
                    "frame_interval",
                    found: "pictures from \(Self.text(Double(shortest) / scale)) "
                        + "to \(Self.text(Double(longest) / scale)) s apart",
                    required: "1/61 to 1/20 s between pictures")
            }
        } else if shortest != longest {
            report(
                "constant_frame_rate", found: "pictures \(shortest) to \(longest) ticks of 1/\(timescale) s apart",
                required: "the same interval between all pictures")
        }
        let rate = scale / average
        // A thousandth: a 59.97 or 60.02 that a coarse timescale made of 60 is 60.
        if rate < profile.minimumFrameRate * 0.999 || rate > profile.maximumFrameRate * 1.001 {
            report(
                "frame_rate", found: "\(Self.text(rate)) frames a second",
                required: "\(Int(profile.minimumFrameRate)) to \(Int(profile.maximumFrameRate)) frames a second")
        }
    }

    private mutating func checkKeyFrames(_ video: Track, times: [Int64], first: Int64) {
        guard let sync = video.samples.syncSamples else { return }
        guard let firstSync = sync.first, firstSync == 0 else {
            report("first_key_frame", found: "a first picture that is no key frame", required: "a key frame first")
            return
        }
        let seconds = copiedVideo ? profile.copiedKeyFrameSeconds : profile.keyFrameSeconds
        let end = first &+ Int64(clamping: video.samples.duration)
        var longest: Int64 = 0
        var previous = times[firstSync]
        for index in sync.dropFirst() {
            longest = max(longest, times[index] &- previous)
            previous = times[index]
        }
        longest = max(longest, end &- previous)
        if Double(longest - 1) > seconds * Double(video.timescale) {
            report(
                "key_frame_interval",
                found: "key frames \(Self.text(Double(longest) / Double(video.timescale))) s apart",
                required: "a key frame at least every \(Self.text(seconds)) s")
        }
        checkGroups(times: times, sync: sync)
    }

    /// A picture decoded after a key frame and shown before it needs the group before that one: an open group.
    private mutating func checkGroups(times: [Int64], sync: [Int]) {
        var groupTime = Int64.min
        var next = 0
        for (index, time) in times.enumerated() {
            if next < sync.count, sync[next] == index {
                groupTime = time
                next += 1
            } else if time < groupTime {
                report("closed_gop", found: "pictures shown before their key frame", required: "closed groups")
                return
            }
        }
    }

    private mutating func checkVideoBitrate(_ video: Track) {
        let limit = Double(profile.maximumVideoBitrate)
        let seconds = Double(video.samples.duration) / Double(video.timescale)
        let average = seconds > 0 ? Double(video.samples.totalBytes) * 8 / seconds : 0
        if average > limit {
            report("video_bitrate", found: Self.rate(average), required: "at most \(Self.rate(limit)) on average")
        }
        let peak = Double(Self.mostBytesInOneSecond(video)) * 8
        // A decoder's buffer, filled at the limit, can hold one second more.
        if peak > limit * 2 {
            report(
                "peak_bitrate", found: "\(Self.rate(peak)) in one second",
                required: "at most \(Self.rate(limit)) after a buffer of one second")
        }
    }

    private static func mostBytesInOneSecond(_ track: Track) -> Int64 {
        let second = Int64(track.timescale)
        var leaving = track.samples.decodeTimes
        var leavingTime = leaving.next() ?? 0
        var leavingIndex = 0
        var sum: Int64 = 0
        var most: Int64 = 0
        for (index, time) in track.samples.decodeTimes.enumerated() {
            sum &+= Int64(track.samples.size(of: index))
            while leavingIndex < index, time &- leavingTime >= second {
                sum &-= Int64(track.samples.size(of: leavingIndex))
                leavingIndex += 1
                leavingTime = leaving.next() ?? time
            }
            most = max(most, sum)
        }
        return most
    }

    /// Three decimals, without Foundation.
    static func text(_ number: Double) -> String {
        guard abs(number) < 1e12 else { return "\(number)" }
        return "\((number * 1000).rounded() / 1000)"
    }

    static func rate(_ bitsPerSecond: Double) -> String { "\(text(bitsPerSecond / 1_000_000)) Mb/s" }
}
