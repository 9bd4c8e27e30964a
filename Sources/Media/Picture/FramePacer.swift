/// Puts pictures that come at their own times onto a constant grid.
///
/// Each tick shows the picture whose start is nearest: a picture begins at the tick its start rounds to, and stays
/// until the next one's. So no picture is more than half a frame off, the mean is 0 and nothing drifts; a longer gap
/// repeats the picture, a faster source leaves some out.
struct FramePacer {
    /// Frames per second.
    let rate: Double
    private var held: Frame?
    private var nextTick: Int64 = 0

    init(rate: Double) { self.rate = rate }

    /// Pictures that are due, as `body` gets them: the frame and the ticks that show it.
    ///
    /// - Parameters:
    ///   - frame: the next picture of the source.
    ///   - start: when it is shown, in seconds of the finished video.
    mutating func show(_ frame: Frame, at start: Double, _ body: (Frame, Range<Int64>) throws -> Void) throws {
        try emit(until: tick(at: start), body)
        held = frame
    }

    /// The last picture stays until `end`, for one tick at least if nothing has been shown yet.
    mutating func finish(at end: Double, _ body: (Frame, Range<Int64>) throws -> Void) throws {
        try emit(until: max(tick(at: end), nextTick == 0 ? 1 : 0), body)
        held = nil
    }

    /// Ticks shown so far.
    var ticks: Int64 { nextTick }

    private mutating func emit(until tick: Int64, _ body: (Frame, Range<Int64>) throws -> Void) throws {
        // In front of the first picture there is nothing: it is shown from tick 0.
        guard let held, tick > nextTick else { return }
        let range = nextTick..<tick
        nextTick = tick
        try body(held, range)
    }

    private func tick(at seconds: Double) -> Int64 {
        // The hair keeps times that fall on a boundary but for rounding on one side of it.
        let exact = seconds * rate + 0.5 + 1e-6
        return exact.isFinite ? Int64(min(max(exact, 0), 1e15)) : 0
    }
}
