internal import Glibc

/// Where the constant rate's grid lies against a source's pictures.
enum FrameGrid {
    /// The source with second 0 moved by less than a frame, so that most pictures begin on the grid. The sound moves
    /// with them: what begins off the grid (sound that starts first, a cut inside a frame) costs no sync.
    static func align(_ info: MediaInfo, rate: Double) -> MediaInfo {
        guard rate > 0, let segment = info.video.timeline.segments.first else { return info }
        let timeline = info.video.timeline
        let starts = info.video.times.lazy.filter { $0 >= segment.mediaStart - 1e-6 }
            .compactMap { timeline.presentation(of: $0) }
        guard let phase = meanPhase(starts.map { $0 * rate }) else { return info }
        // Within 2 ms of the grid the pictures are moved onto it; else the grid begins up to a frame earlier, so that
        // nothing of the start is lost.
        let isNear = abs(phase) / rate < 0.002
        return info.advanced(by: (isNear || phase < 0 ? phase : phase - 1) / rate)
    }

    /// How far most positions lie from whole numbers, -0.5…0.5: a mean of directions, in which a picture that lies
    /// elsewhere hardly counts, and half a frame early is the same as half a frame late. Where the positions are spread
    /// evenly, as when a rate is divided, the first one decides.
    private static func meanPhase(_ positions: some Sequence<Double>) -> Double? {
        var (x, y, count) = (0.0, 0.0, 0.0)
        var first: Double?
        for position in positions where position.isFinite {
            first = first ?? position
            x += cos(2 * .pi * position)
            y += sin(2 * .pi * position)
            count += 1
        }
        guard let first else { return nil }
        let isClear = (x * x + y * y).squareRoot() > count / 2
        let phase = isClear ? atan2(y, x) / (2 * .pi) : first - first.rounded()
        // Below a microsecond at any rate: rounding, not an offset.
        return abs(phase) < 1e-6 ? 0 : phase
    }
}
