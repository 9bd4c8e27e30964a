import Synchronization

/// Paces bytes: so many a second for each connection, and for all of them together. May be changed while bytes flow.
public final class Throttle: Sendable {
    /// Bytes per second; `nil` is as fast as the machine goes.
    public struct Limits: Sendable {
        /// For each connection.
        public var perConnection: Double?
        /// For all connections together.
        public var total: Double?

        /// Makes limits.
        public init(perConnection: Double? = nil, total: Double? = nil) {
            self.perConnection = perConnection
            self.total = total
        }
    }

    private let current: Mutex<Limits>
    private let all = Pacer()

    /// Makes a throttle; without limits it is open.
    public init(_ limits: Limits = Limits()) {
        current = Mutex(limits)
    }

    /// What holds now.
    public var limits: Limits {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// How many bytes to pass at once, so that the flow is smooth: 10 ms of the slowest limit, 256 KiB at most.
    var step: Int {
        let limits = limits
        let slowest = min(limits.perConnection ?? .infinity, limits.total ?? .infinity)
        return slowest.isFinite ? min(max(Int(slowest / 100), 1024), 256 << 10) : 256 << 10
    }

    /// Waits until `bytes` more may have passed on a connection.
    /// - Parameter continuing: Whether they belong to the same body as those before. Only within a body may lost time be
    ///   caught up: an idle line saves nothing.
    func pass(_ bytes: Int, on connection: Pacer, continuing: Bool) async throws {
        let limits = limits
        var due: ContinuousClock.Instant?
        if let rate = limits.perConnection {
            due = connection.reserve(bytes, bytesPerSecond: rate, continuing: continuing)
        }
        if let rate = limits.total {
            let turn = all.reserve(bytes, bytesPerSecond: rate, continuing: continuing)
            due = due.map { max($0, turn) } ?? turn
        }
        if let due, due > .now { try await Task.sleep(until: due, tolerance: .zero, clock: .continuous) }
    }
}

/// One line's schedule: when the bytes booked so far are through.
final class Pacer: Sendable {
    private let through = Mutex(ContinuousClock.now)

    /// Books bytes behind those booked before and tells when they are through. A body that lost time, as by waking up late on
    /// a busy machine, catches up 200 ms at most.
    func reserve(
        _ bytes: Int, bytesPerSecond: Double, continuing: Bool, now: ContinuousClock.Instant = .now
    ) -> ContinuousClock.Instant {
        through.withLock { through in
            let earliest = continuing ? now - .milliseconds(200) : now
            through = max(through, earliest) + .seconds(Double(bytes) / bytesPerSecond)
            return through
        }
    }
}
