/// A PostgreSQL database: a few connections, lent to one statement or one transaction at a time.
///
///     caller ─▶ Database (lends, in order of asking) ─▶ Connection (a thread that may block) ─▶ Session (libpq, poll) ─▶ server
///
/// Nothing outlives a statement or transaction on the server, so the address may be that of a transaction pooler. A call
/// is over by its deadline whatever the server does, connects again where needed, and stops its statement on the server
/// when its task is cancelled. A statement that was under way when the connection broke is not repeated: it may have
/// taken effect, and only the caller knows whether that matters.
public actor Database {
    /// Where the database is, and how long to wait for it.
    public nonisolated let configuration: Configuration

    private var idle: [Connection] = []
    private var lent = 0
    private var waiting: [Waiter] = []
    private var isShutDown = false

    private struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Connection, any Error>
    }
    private var nextWaiter: UInt64 = 0

    /// Makes a database; connections are opened when they are needed.
    public init(_ configuration: Configuration) { self.configuration = configuration }

    /// Runs one statement in a transaction of its own.
    ///
    /// - Parameters:
    ///   - sql: the statement, its parameters written `$1`, `$2` and so on.
    ///   - parameters: their values; nil is null.
    ///   - timeout: the longest the call may take; the configuration's `statementTimeout` without it.
    /// - Throws: `PostgresError`, or `CancellationError` when the task was cancelled.
    @discardableResult
    public nonisolated func query(
        _ sql: String, _ parameters: (any PostgresEncodable)?..., timeout: Duration? = nil
    ) async throws -> QueryResult {
        try await query(sql, values: parameters, timeout: timeout)
    }

    /// Runs one statement in a transaction of its own, its parameters' values in an array.
    @discardableResult
    public nonisolated func query(
        _ sql: String, values: [(any PostgresEncodable)?], timeout: Duration? = nil
    ) async throws -> QueryResult {
        let texts = values.map { $0?.postgresText }
        return try await withConnection(timeout) { connection, deadline in
            try await connection.run(sql, texts, until: deadline)
        }
    }

    /// Runs statements in one transaction: all of them take effect, or none.
    ///
    /// - Parameters:
    ///   - timeout: the longest the whole may take; the configuration's `statementTimeout` without it.
    ///   - body: is given the transaction. What it throws undoes everything and is thrown on.
    public nonisolated func transaction<Value: Sendable>(
        timeout: Duration? = nil, _ body: @Sendable (Transaction) async throws -> Value
    ) async throws -> Value {
        try await withConnection(timeout) { connection, deadline in
            _ = try await connection.run("begin", [], until: deadline)
            let value: Value
            do {
                value = try await body(Transaction(connection: connection, deadline: deadline))
            } catch {
                // A session that can't roll back is closed, which does it. The deadline may be what ended the body, and a
                // cancelled task still has to clean up.
                await Task { _ = try? await connection.runInTransaction("rollback", [], until: .now + .seconds(2)) }
                    .value
                throw error
            }
            let answer = try await connection.runInTransaction("commit", [], until: deadline)
            guard answer.command == "COMMIT" else {
                throw PostgresError(.unexpected, "the transaction was undone, since one of its statements had failed")
            }
            return value
        }
    }

    /// Closes the connections that are idle now, and the others as they come back. Later calls fail.
    public func shutdown() async {
        isShutDown = true
        for waiter in waiting { waiter.continuation.resume(throwing: Self.closed) }
        waiting = []
        let connections = idle
        idle = []
        for connection in connections { await connection.close() }
    }

    private static let closed = PostgresError(
        .unavailable, "the database's connections were closed: the program is ending")

    private nonisolated func withConnection<Value: Sendable>(
        _ timeout: Duration?,
        _ body: @Sendable (Connection, ContinuousClock.Instant) async throws -> Value
    ) async throws -> Value {
        let deadline = ContinuousClock.now + (timeout ?? configuration.statementTimeout)
        let connection = try await borrow(until: deadline)
        do {
            let value = try await body(connection, deadline)
            await giveBack(connection)
            return value
        } catch {
            await connection.settle()
            await giveBack(connection)
            throw error
        }
    }

    private func borrow(until deadline: ContinuousClock.Instant) async throws -> Connection {
        try Task.checkCancellation()
        guard !isShutDown else { throw Self.closed }
        if let connection = idle.popLast() {
            lent += 1
            return connection
        }
        if lent < configuration.connections {
            lent += 1
            return Connection(configuration)
        }
        nextWaiter += 1
        let id = nextWaiter
        let timer = Task {
            try await Task.sleep(until: deadline)
            fail(id, PostgresError(.unavailable, "all connections to the database are busy"))
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                // A task cancelled before this has no waiter to fail yet.
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else {
                    waiting.append(Waiter(id: id, continuation: continuation))
                }
            }
        } onCancel: {
            Task { await fail(id, CancellationError()) }
        }
    }

    private func fail(_ id: UInt64, _ error: any Error) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: index).continuation.resume(throwing: error)
    }

    private func giveBack(_ connection: Connection) async {
        if !waiting.isEmpty {
            waiting.removeFirst().continuation.resume(returning: connection)
            return
        }
        lent -= 1
        if isShutDown {
            await connection.close()
        } else {
            idle.append(connection)
        }
    }
}

/// Statements that take effect together.
public struct Transaction: Sendable {
    let connection: Connection
    let deadline: ContinuousClock.Instant

    /// Runs one statement; its parameters are written `$1`, `$2` and so on.
    @discardableResult
    public func query(_ sql: String, _ parameters: (any PostgresEncodable)?...) async throws -> QueryResult {
        try await connection.runInTransaction(sql, parameters.map { $0?.postgresText }, until: deadline)
    }

    /// Runs a script of several statements without parameters.
    public func run(script: String) async throws {
        _ = try await connection.runInTransaction(script, nil, until: deadline)
    }
}
