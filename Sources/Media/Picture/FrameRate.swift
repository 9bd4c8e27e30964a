/// Which constant rate a video gets.
enum FrameRate {
    /// Rates that cameras and broadcasters use.
    static let standard = [
        Rational(24000, 1001), Rational(24, 1), Rational(25, 1), Rational(30000, 1001), Rational(30, 1),
        Rational(48, 1), Rational(50, 1), Rational(60000, 1001), Rational(60, 1),
    ]

    /// The source's own rate where it lies in 23…60, else the nearest multiple or divisor that does.
    ///
    /// - Parameters:
    ///   - times: when pictures are shown, in seconds, in order; as many as are known.
    ///   - declared: what the container says, for a source with too few pictures to tell.
    static func choose(times: [Double], declared: Double) -> (rate: Rational, isVariable: Bool) {
        guard let (nominal, isRegular, isMostly) = nominalRate(times) else {
            return (output(for: declared > 0 ? declared : 30), false)
        }
        // The container's word decides between neighbours such as 29.97 and 30, which coarse ticks can't; a mean that
        // gaps pulled down is no such word.
        let isNear = abs(declared / nominal - 1) < 0.005 && standard.contains { abs($0.value / declared - 1) < 0.0004 }
        let rate = output(for: isNear ? declared : nominal)
        if isMostly || gridError(times, rate.value) <= tolerance { return (rate, !isRegular) }
        // Pictures at any time: the finest grid moves them least.
        return (Rational(60, 1), true)
    }

    /// The rate within the profile for pictures that come `nominal` times a second.
    static func output(for nominal: Double) -> Rational {
        var rate = nominal
        if rate < 23 {
            // 24 rather than 23 for one picture a second: the smallest multiple that players know.
            rate = nominal * (23.97 / nominal).rounded(.up)
        } else if rate > 60.5 {
            rate = nominal / (nominal / 60.06).rounded(.up)
        }
        if let known = standard.min(by: { abs($0.value - rate) < abs($1.value - rate) }),
            abs(known.value - rate) / rate < 0.004
        {
            return known
        }
        return Rational(Int32((min(rate, 60) * 1000).rounded()), 1000)
    }

    /// Mean distance from the grid, in seconds, that still counts as lying on it.
    private static let tolerance = 0.004

    /// The share of distances that makes a rate the source's own, though a phone dropped pictures or a cut moved them.
    private static let ownShare = 0.9

    /// The usual distance between pictures as a rate, whether all keep it, and whether most keep it or a multiple.
    private static func nominalRate(_ times: [Double]) -> (rate: Double, isRegular: Bool, isMostly: Bool)? {
        guard times.count >= 4, let first = times.first, let last = times.last, last > first else { return nil }
        let intervals = zip(times, times.dropFirst()).map { $1 - $0 }.filter { $0 > 1e-5 }.sorted()
        guard intervals.count >= 3 else { return nil }
        let median = intervals[intervals.count / 2]
        let usual = intervals.filter { abs($0 - median) < max(0.0011, median * 0.08) }
        let mean = usual.reduce(0, +) / Double(usual.count)
        let isRegular = usual.count >= intervals.count - max(1, intervals.count / 1000)
        // Without an exception the rate is the count over the length: exact however coarse the ticks are.
        let whole = Double(times.count - 1) / (last - first)
        let onMultiples = intervals.filter { interval in
            let multiple = max(1, (interval / mean).rounded())
            return abs(interval - multiple * mean) < max(0.0011, mean * 0.08)
        }
        let isMostly = Double(onMultiples.count) >= Double(intervals.count) * ownShare
        return (usual.count == intervals.count ? whole : 1 / mean, isRegular, isRegular || isMostly)
    }

    private static func gridError(_ times: [Double], _ rate: Double) -> Double {
        guard let first = times.first else { return 0 }
        let errors = times.map { time -> Double in
            let ticks = (time - first) * rate
            return abs(ticks - ticks.rounded()) / rate
        }
        return errors.reduce(0, +) / Double(errors.count)
    }
}
