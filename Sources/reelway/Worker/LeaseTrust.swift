import Synchronization

/// Whether leases that ran out are believed. Leases also run out while the database is away, and their workers, who live, have
/// yet to renew them: a worker that has just begun, or has seen the database away, gives them the time.
///
/// Whatever a worker asks the database for tells: one whose places are all taken claims nothing, and doesn't find out by that.
final class LeaseTrust: Sendable {
    /// Workers that live renew their leases in less after an outage.
    private static let renewalTime = Duration.seconds(10)

    private struct Sight {
        /// `nil` while the database is away.
        var beginning: ContinuousClock.Instant? = .now + LeaseTrust.renewalTime
        var lastClaim: ContinuousClock.Instant?
    }
    private let sight = Mutex(Sight())

    /// The database didn't answer what it was asked at `start`, or not as it should. Where it answered a claim since, it is
    /// there: what was asked for may be a row that someone keeps locked.
    func noAnswer(since start: ContinuousClock.Instant) {
        sight.withLock { sight in
            if let lastClaim = sight.lastClaim, lastClaim > start { return }
            sight.beginning = nil
        }
    }

    /// The database answered a claim.
    func claimAnswered() {
        sight.withLock { sight in
            sight.lastClaim = .now
            sight.beginning = sight.beginning ?? .now + Self.renewalTime
        }
    }

    /// Whether a lease that ran out is one of a worker that died.
    var isGiven: Bool { sight.withLock { $0.beginning.map { $0 <= .now } ?? false } }
}
