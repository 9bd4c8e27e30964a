import Synchronization

/// Whether leases that ran out are believed. Leases also run out while the database is away, and their workers, who live, have
/// yet to renew them: a worker that has just begun, or has seen the database away, gives them the time.
///
/// Whatever a worker asks the database for tells: one whose places are all taken claims nothing, and doesn't find out by that.
final class LeaseTrust: Sendable {
    /// Workers that live renew their leases in less after an outage.
    private static let renewalTime = Duration.seconds(10)

    /// `nil` while the database is away.
    private let beginning = Mutex<ContinuousClock.Instant?>(.now + LeaseTrust.renewalTime)

    /// The database didn't answer, or not as it should.
    func databaseIsAway() { beginning.withLock { $0 = nil } }

    /// The database answered.
    func databaseIsThere() { beginning.withLock { $0 = $0 ?? .now + Self.renewalTime } }

    /// Whether a lease that ran out is one of a worker that died.
    var isGiven: Bool { beginning.withLock { $0.map { $0 <= .now } ?? false } }
}
