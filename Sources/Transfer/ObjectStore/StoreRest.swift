internal import Synchronization

/// The rests that a store asks one upload for (`Retry-After`). Shared by its requests, since what is asked of one is meant for
/// all.
final class StoreRest: Sendable {
    /// So long one request may be put off altogether, in seconds. For longer rests the caller has better use: what was made
    /// until then is made again afterwards.
    static let longest = 60.0

    private let begun = ContinuousClock.now
    private let latest = Mutex(ContinuousClock.now)

    /// When the store may be asked again.
    var end: ContinuousClock.Instant { latest.withLock { $0 } }

    /// Goes with the clock while the store is left alone, and stands still otherwise; in seconds.
    var seconds: Double { (min(.now, end) - begun) / .seconds(1) }

    /// Leaves it alone for so many seconds from now on.
    func rest(_ seconds: Double) { latest.withLock { $0 = max($0, .now + .seconds(seconds)) } }
}

/// Failures of one request in a row.
struct StoreFailures: Sendable {
    private(set) var count = 0
    /// When the first was, later by the rests that the store asked for: to keep quiet when asked to takes none of the time
    /// that failures may take.
    var since: ContinuousClock.Instant?
    private var rested = 0.0

    init() {}

    /// Seconds to wait before the next try; `nil` to give up. Counts the failure.
    ///
    /// - Parameters:
    ///   - known: what the failure comes to, where that isn't its own word.
    ///   - rest: what a rest that the store asks for is kept in; where that is `nil` it is a pause like others.
    mutating func pause(
        after failure: StorageFailure, as known: RetryPolicy.Fault? = nil, _ policy: RetryPolicy, _ rest: StoreRest?
    ) -> Double? {
        guard var fault = known ?? failure.fault else { return nil }
        let now = ContinuousClock.now
        let first = since ?? now
        count += 1
        var asked = 0.0
        if let rest, let wish = failure.retryAfter, rested + wish <= StoreRest.longest {
            (asked, fault) = (wish, .status(503))
            rested += wish
            rest.rest(wish)
        }
        since = first + .seconds(asked)
        let elapsed = (now - first) / .seconds(1)
        guard
            case .retry(let pause) = policy.decide(
                fault, attempt: count, elapsed: elapsed, random: .random(in: 0...1))
        else { return nil }
        return asked + pause
    }
}
