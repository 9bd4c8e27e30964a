/// A session that is made again when it broke. Its calls block, so the actor runs on a thread of its own and never on
/// Swift's cooperative ones.
actor Connection {
    private let thread = ThreadExecutor()
    private let configuration: Configuration
    private let wake = Wake()
    private var session: Session?
    /// Attempts to connect that failed since the last that didn't.
    private var failures = 0
    private var nextAttempt = ContinuousClock.now

    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(_ configuration: Configuration) { self.configuration = configuration }

    /// Runs a statement, or without parameters a script, on a session that is between transactions; connects where there
    /// is none.
    nonisolated func run(
        _ sql: String, _ parameters: [String?]?, until deadline: ContinuousClock.Instant
    ) async throws -> QueryResult {
        try await interruptible(until: deadline) { connection, patience in
            try connection.connect(patience)
            return try connection.runHere(sql, parameters, patience)
        }
    }

    /// Runs a statement in the transaction that `run("begin")` opened. Never connects: another session has another
    /// transaction.
    nonisolated func runInTransaction(
        _ sql: String, _ parameters: [String?]?, until deadline: ContinuousClock.Instant
    ) async throws -> QueryResult {
        try await interruptible(until: deadline) { connection, patience in
            try connection.runHere(sql, parameters, patience)
        }
    }

    /// Waits for notifications on the session as it is.
    nonisolated func notifications(until deadline: ContinuousClock.Instant) async throws -> [Notification] {
        try await interruptible(until: deadline) { connection, patience in
            try connection.notificationsHere(patience)
        }
    }

    /// The server process the protocol's start announced; 0 without a session.
    var announcedProcess: Int32 { session?.announcedProcess ?? 0 }

    /// Ends the session.
    func close() { session = nil }

    /// Ends the session unless it is between transactions.
    func settle() {
        if session?.isReady() != true { session = nil }
    }

    /// Runs `body` on the thread; a cancelled task wakes it.
    private nonisolated func interruptible<Value: Sendable>(
        until deadline: ContinuousClock.Instant,
        _ body: @Sendable (isolated Connection, Patience) throws -> Value
    ) async throws -> Value {
        let patience = Patience(deadline: deadline, cancellation: Cancellation(), wake: wake)
        return try await withTaskCancellationHandler {
            try await body(self, patience)
        } onCancel: {
            patience.cancellation.cancel()
            wake.signal()
        }
    }

    /// Makes sure of a session between transactions, trying again with growing pauses until the time is over.
    private func connect(_ patience: Patience) throws {
        if session?.isReady() == true { return }
        session = nil
        var last: PostgresError?
        while true {
            do {
                try patience.until(nextAttempt).wait()
            } catch .cancelled {
                throw CancellationError()
            } catch .deadline {}
            if ContinuousClock.now >= patience.deadline {
                throw last ?? PostgresError(.unavailable, "the database can't be reached in the time there is")
            }
            do {
                session = try Session.connect(configuration, patience.within(configuration.connectTimeout))
                failures = 0
                return
            } catch let error as PostgresError {
                failures += 1
                nextAttempt = .now + Self.pause(after: failures)
                guard error.kind == .unavailable else { throw error }
                last = error
            }
        }
    }

    /// The pause before the next attempt to connect: 50 ms, doubled to 2 s at most.
    static func pause(after failures: Int) -> Duration {
        .milliseconds(min(2000, 50 << min(max(failures, 1) - 1, 6)))
    }

    private func runHere(_ sql: String, _ parameters: [String?]?, _ patience: Patience) throws -> QueryResult {
        guard session != nil else { throw Self.lost }
        defer { if session?.isUsable != true { session = nil } }
        guard let answer = try session?.run(sql, parameters, patience) else { throw Self.lost }
        return answer
    }

    private func notificationsHere(_ patience: Patience) throws -> [Notification] {
        defer { if session?.isUsable != true { session = nil } }
        guard let received = try session?.notifications(patience) else { throw Self.lost }
        return received
    }

    private static let lost = PostgresError(.unavailable, "the connection to the database broke")
}
