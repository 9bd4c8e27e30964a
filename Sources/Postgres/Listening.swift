/// What comes of listening to channels.
public enum ListenEvent: Sendable, Equatable {
    /// The server is being listened to from now on. What was sent before, or while the connection was broken, was missed:
    /// look at the tables.
    case listening
    /// Someone sent this.
    case notification(Notification)
    /// The connection broke or can't be made, or was refused. It is tried again, and `listening` is what comes next.
    case unavailable(PostgresError)
    /// Nothing will ever come, since the address is that of a transaction pooler. The last event.
    case impossible(PostgresError)
}

extension Database {
    /// Listens to channels over a connection of its own, until the stream is dropped or its task cancelled.
    ///
    /// A hint only, never the authority: notifications are lost while the connection is broken, and the oldest are dropped
    /// when more than a thousand wait to be taken.
    public nonisolated func listen(to channels: [String]) -> AsyncStream<ListenEvent> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1000)) { continuation in
            let task = Task {
                await Listener(configuration: configuration, channels: channels, continuation: continuation).run()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}

/// Keeps one connection listening.
private struct Listener {
    let configuration: Configuration
    let channels: [String]
    let continuation: AsyncStream<ListenEvent>.Continuation

    /// A connection that only listens learns of a dead peer when it says something itself.
    private static let silence: Duration = .seconds(30)
    /// How long a notification of one connection may take to another. Past a transaction pooler it never comes.
    private static let probeTime: Duration = .seconds(2)
    /// Connecting has its own pauses; this one is for a server that lets us in and throws us out.
    private static let pause: Duration = .milliseconds(200)
    /// A password that is being changed, or rights that were forgotten.
    private static let pauseAfterRefusal: Duration = .seconds(2)

    func run() async {
        let connection = Connection(configuration)
        var isAway = false
        while !Task.isCancelled {
            do {
                guard try await canListen(connection) else {
                    continuation.yield(.impossible(Self.pooled))
                    break
                }
                for channel in channels { try await run(Self.listen(channel), on: connection) }
                continuation.yield(.listening)
                isAway = false
                while true {
                    let received = try await connection.notifications(until: .now + Self.silence)
                    for notification in received { continuation.yield(.notification(notification)) }
                    // In a transaction of its own it would connect again, and to a session that listens to nothing.
                    if received.isEmpty {
                        _ = try await connection.runInTransaction(
                            "select 1", [], until: .now + configuration.connectTimeout)
                    }
                }
            } catch let error as PostgresError {
                if !isAway { continuation.yield(.unavailable(error)) }
                isAway = true
                try? await Task.sleep(for: error.kind == .unavailable ? Self.pause : Self.pauseAfterRefusal)
            } catch { break }
        }
        await connection.close()
        continuation.finish()
    }

    /// Whether what one connection sends arrives at another. A server that is the one the protocol announced needs no
    /// proof; a pooler announces a process that doesn't exist, and listens only where it lends whole sessions.
    private func canListen(_ connection: Connection) async throws -> Bool {
        let process = try await run("select pg_backend_pid() as process", on: connection)
        if let row = process.rows.first, row["process"] == "\(await connection.announcedProcess)" { return true }
        // A channel of its own: it stays listened to on a pooled session, where nobody may ever send to it again.
        let channel = "reelway_probe_\(UInt64.random(in: 0 ..< .max))"
        try await run(Self.listen(channel), on: connection)
        let sender = Connection(configuration)
        try await run("notify \(channel)", on: sender)
        await sender.close()
        let received = try await connection.notifications(until: .now + Self.probeTime)
        try await run("unlisten \(channel)", on: connection)
        return received.contains { $0.channel == channel }
    }

    @discardableResult
    private func run(_ sql: String, on connection: Connection) async throws -> QueryResult {
        try await connection.run(sql, [], until: .now + configuration.connectTimeout)
    }

    private static func listen(_ channel: String) -> String {
        "listen \"\(channel.replacing("\"", with: "\"\""))\""
    }

    private static let pooled = PostgresError(
        .unexpected,
        "notifications don't pass the connection pooler, so the tables are polled instead; an address with session mode"
            + " (Supabase: port 5432) is told of changes at once")
}
