internal import Glibc

/// Measures a transcode: wall and processor time, memory.
struct Stopwatch {
    private let start = ContinuousClock.now
    private let startCPU = Stopwatch.cpuSeconds()
    private var firstPacket: ContinuousClock.Instant?
    private var lastPacket: ContinuousClock.Instant?
    private var stored: ContinuousClock.Instant?

    mutating func markFirstPacket() { if firstPacket == nil { firstPacket = .now } }
    mutating func markLastPacket() { lastPacket = .now }
    mutating func markStored() { stored = .now }

    /// Fills in what has been measured so far.
    func measure(_ timings: inout Report.Timings) {
        timings.wallSeconds = Stopwatch.seconds(ContinuousClock.now - start)
        timings.cpuSeconds = Stopwatch.cpuSeconds() - startCPU
        timings.firstFrameSeconds = firstPacket.map { Stopwatch.seconds($0 - start) } ?? 0
        timings.encodeSeconds = lastPacket.map { Stopwatch.seconds($0 - start) } ?? 0
        if let lastPacket, let stored { timings.tailSeconds = Stopwatch.seconds(stored - lastPacket) }
        timings.peakResidentBytes = Stopwatch.peakResidentBytes()
    }

    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }

    private static func usage() -> rusage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage
    }

    private static func cpuSeconds() -> Double {
        let usage = usage()
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
    }

    private static func peakResidentBytes() -> Int64 { Int64(usage().ru_maxrss) * 1024 }
}

/// Turns what is known of the work into `Progress`, a few times a second at most and never backwards.
struct ProgressMeter {
    let report: (Progress) -> Void
    private let start = ContinuousClock.now
    private var last: Progress?
    private var shown: ContinuousClock.Instant?

    private static let interval = Duration.milliseconds(200)

    init(report: @escaping (Progress) -> Void) { self.report = report }

    mutating func show(
        _ stage: Progress.Stage, _ fraction: Double, seconds: Double = 0, total: Double? = nil, bytesIn: Int64,
        bytesOut: Int64
    ) {
        let now = ContinuousClock.now
        if let shown, last?.stage == stage, fraction < 1, now - shown < ProgressMeter.interval { return }
        let elapsed = Stopwatch.seconds(now - start)
        let speed = elapsed > 0.05 ? seconds / elapsed : 0
        let progress = Progress(
            stage: stage, progress: fraction,
            etaSeconds: speed > 0 ? total.map { max(0, ($0 - seconds) / speed) } : nil, speed: speed,
            bytesIn: bytesIn, bytesOut: bytesOut
        ).notBehind(last)
        last = progress
        shown = now
        report(progress)
    }
}
