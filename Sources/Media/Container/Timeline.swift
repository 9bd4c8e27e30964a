/// When a stream's media is seen or heard: maps the stream's own clock to seconds of the finished video.
///
/// An MP4's edit list says it exactly; elsewhere the whole stream is shown, moved so that the earlier of picture and
/// sound begins at 0.
struct Timeline: Sendable, Equatable {
    /// A stretch of media that is shown whole and at its own speed.
    struct Segment: Sendable, Equatable {
        var mediaStart: Double
        /// Infinite where nothing bounds it.
        var mediaEnd: Double
        var presentationStart: Double

        var duration: Double { mediaEnd - mediaStart }
    }

    /// In order of both media and presentation; never empty.
    let segments: [Segment]
    /// Up to where each segment and those before it show the media: in order, as `mediaEnd` is but for a hair.
    private let ends: [Double]

    /// Everything is shown; media time `start` at second 0.
    static func whole(from start: Double) -> Timeline {
        Timeline(segments: [Segment(mediaStart: -.infinity, mediaEnd: .infinity, presentationStart: -start)])
    }

    /// `nil` where the segments are not in order: a repeated or reversed stretch can't be played in one pass.
    init?(edits segments: [Segment]) {
        guard !segments.isEmpty else { return nil }
        for (earlier, later) in zip(segments, segments.dropFirst()) where later.mediaStart < earlier.mediaEnd - 1e-6 {
            return nil
        }
        self.init(segments: segments)
    }

    private init(segments: [Segment]) {
        self.segments = segments
        var end = -Double.infinity
        ends = segments.map {
            end = max(end, $0.mediaEnd)
            return end
        }
    }

    /// The same with everything shown `seconds` earlier.
    func advanced(by seconds: Double) -> Timeline {
        Timeline(
            segments: segments.map {
                Segment(
                    mediaStart: $0.mediaStart, mediaEnd: $0.mediaEnd,
                    presentationStart: $0.presentationStart - seconds)
            })
    }

    /// When the stream is first shown: its first segment's start, given where its media begins.
    func start(mediaStart: Double) -> Double {
        let first = segments[0]
        return first.mediaStart.isFinite
            ? first.presentationStart + max(0, mediaStart - first.mediaStart) : first.presentationStart + mediaStart
    }

    /// When the last segment ends, where that is bounded.
    var end: Double? {
        let last = segments[segments.count - 1]
        return last.mediaEnd.isFinite ? last.presentationStart + last.duration : nil
    }

    /// Whether what begins at `mediaTime` would be shown well behind the `announced` end.
    func isBeyond(_ announced: Double?, at mediaTime: Double) -> Bool {
        guard let announced, let start = presentation(of: mediaTime) else { return false }
        return start > announced + TimeOrder<Frame>.reach
    }

    /// Whether nothing at or after `mediaTime` is shown any more.
    func isOver(at mediaTime: Double) -> Bool { mediaTime >= segments[segments.count - 1].mediaEnd - Timeline.hair }

    /// When the picture that begins at `mediaTime` is shown. One that begins in front of a segment is moved to the
    /// segment's start, so that the last of those is what the cut shows; `nil`: it is not shown.
    func presentation(of mediaTime: Double) -> Double? {
        guard let segment = segments[firstIndex(endingAfter: mediaTime)...].first else { return nil }
        if !segment.mediaStart.isFinite { return segment.presentationStart + mediaTime }
        return segment.presentationStart + max(0, mediaTime - segment.mediaStart)
    }

    /// The first segment that goes on behind `mediaTime`. Files list thousands, and each picture asks.
    private func firstIndex(endingAfter mediaTime: Double) -> Int {
        var (low, high) = (0, ends.count)
        while low < high {
            let middle = (low + high) / 2
            if mediaTime < ends[middle] - Timeline.hair { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// A visible part of a stretch of media.
    struct Part: Equatable {
        /// When it is heard.
        var presentation: Double
        /// Seconds into the stretch.
        var offset: Double
        var duration: Double
    }

    /// The parts of the stretch that are heard, in order.
    func parts(of mediaTime: Double, duration: Double) -> [Part] {
        let candidates = segments[firstIndex(endingAfter: mediaTime)...].prefix { $0.mediaStart < mediaTime + duration }
        return candidates.compactMap { segment in
            let start = max(mediaTime, segment.mediaStart)
            let end = min(mediaTime + duration, segment.mediaEnd)
            guard end - start > Timeline.hair else { return nil }
            let presentation =
                segment.presentationStart + (segment.mediaStart.isFinite ? start - segment.mediaStart : start)
            return Part(presentation: presentation, offset: start - mediaTime, duration: end - start)
        }
    }

    /// A microsecond: below any time base in use, above the rounding of the arithmetic.
    private static let hair = 1e-6
}
