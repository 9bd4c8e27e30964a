import CPostgres
import Foundation
import Glibc

/// One session with a server: libpq without its blocking calls. Every wait is a poll(2) of the calling thread with a
/// deadline and a way to be woken, so it belongs on a thread of its own. `deinit` closes the connection.
struct Session: ~Copyable {
    private let connection: OpaquePointer
    private let configuration: Configuration
    /// Whether the protocol is at a known place. Once false, the session is good for nothing but its end.
    private(set) var isUsable = true

    /// How long a statement that was cancelled may take to say so, before the connection is dropped.
    private static let cancelGrace: Duration = .seconds(2)
    private static let cancelAgain: Duration = .milliseconds(250)

    /// Connects.
    ///
    /// - Throws: `PostgresError`, or `CancellationError` when the caller's task was cancelled.
    static func connect(_ configuration: Configuration, _ patience: Patience) throws -> Session {
        let parameters = configuration.parameters
        let keywords = CStrings(parameters.map(\.keyword))
        let values = CStrings(parameters.map(\.value))
        guard let connection = PQconnectStartParams(keywords.pointers, values.pointers, 1) else {
            throw PostgresError(.unavailable, "no memory for a connection to the database")
        }
        let session = Session(connection: connection, configuration: configuration)
        // Only this verbosity shows the error code of a refused connection, in whatever language the server speaks.
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        // Else libpq prints notices on standard error.
        PQsetNoticeReceiver(connection, { _, _ in }, nil)
        guard PQstatus(connection) != CONNECTION_BAD else { throw session.refused() }
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            do {
                // The socket may be another one after each step.
                try patience.wait(for: PQsocket(connection), state == PGRES_POLLING_READING ? POLLIN : POLLOUT)
            } catch .cancelled {
                throw CancellationError()
            } catch .deadline {
                throw PostgresError(.unavailable, "the database didn't accept the connection in time")
            }
            state = PQconnectPoll(connection)
            if state == PGRES_POLLING_FAILED { throw session.refused() }
        }
        PQsetnonblocking(connection, 1)
        return session
    }

    private init(connection: OpaquePointer, configuration: Configuration) {
        self.connection = connection
        self.configuration = configuration
    }

    deinit { PQfinish(connection) }

    /// The server process the protocol's start announced; a pooler makes one up.
    var announcedProcess: Int32 { PQbackendPID(connection) }

    /// Whether the next statement may start: the connection is there, and no transaction is open.
    mutating func isReady() -> Bool {
        guard isUsable else { return false }
        // A server that went away has said so on the idle connection, and then closed it: the end is read after the words.
        // Knowing that now keeps a statement from being lost.
        var watched = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
        while isUsable, poll(&watched, 1, 0) > 0 {
            if PQconsumeInput(connection) == 0 { isUsable = false }
            // Takes what was said out of the buffer.
            _ = PQisBusy(connection)
        }
        if PQstatus(connection) != CONNECTION_OK { isUsable = false }
        if PQtransactionStatus(connection) != PQTRANS_IDLE { isUsable = false }
        return isUsable
    }

    /// Runs one statement with parameters, or without any a script of several, and returns the last one's answer.
    ///
    /// Statements with parameters are prepared without a name and forgotten: nothing a transaction pooler could lose.
    ///
    /// - Throws: `PostgresError`, or `CancellationError` when the caller's task was cancelled; the server was then told
    ///   to stop.
    mutating func run(_ sql: String, _ parameters: [String?]?, _ patience: Patience) throws -> QueryResult {
        guard !sql.contains("\0"), parameters?.contains(where: { $0?.utf8.contains(0) == true }) != true else {
            // A C string would end there, and the rest be lost in silence.
            throw PostgresError(.unexpected, "a value for the database holds a zero byte, which PostgreSQL can't store")
        }
        let sent: Int32
        if let parameters {
            let values = CStrings(parameters)
            sent = PQsendQueryParams(connection, sql, Int32(parameters.count), nil, values.pointers, nil, nil, 0)
        } else {
            sent = PQsendQuery(connection, sql)
        }
        guard sent == 1 else { throw broken() }
        do {
            if let answer = try exchange(patience) { return answer }
        } catch let end as Patience.End {
            return try stop(end, patience)
        }
        throw PostgresError(.unexpected, "the database gave no answer to a statement")
    }

    /// Waits for notifications and returns those that came.
    mutating func notifications(_ patience: Patience) throws -> [Notification] {
        var received = pendingNotifications()
        while received.isEmpty {
            do {
                try patience.wait(for: PQsocket(connection), POLLIN)
            } catch .cancelled {
                throw CancellationError()
            } catch .deadline {
                return []
            }
            guard PQconsumeInput(connection) == 1 else { throw broken() }
            received = pendingNotifications()
        }
        return received
    }

    private func pendingNotifications() -> [Notification] {
        var received: [Notification] = []
        while let notification = PQnotifies(connection) {
            received.append(
                Notification(
                    channel: String(cString: notification.pointee.relname),
                    payload: String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return received
    }

    /// Sends what is queued and collects the answers of one exchange, or what is left of them.
    private mutating func exchange(_ patience: Patience) throws -> QueryResult? {
        while true {
            let state = PQflush(connection)
            if state == 0 { break }
            if state < 0 { throw broken() }
            // The server may be waiting for us to read before it reads on.
            try patience.wait(for: PQsocket(connection), POLLIN | POLLOUT)
            guard PQconsumeInput(connection) == 1 else { throw broken() }
        }
        var answer: QueryResult?
        var failure: PostgresError?
        while true {
            while PQisBusy(connection) == 1 {
                try patience.wait(for: PQsocket(connection), POLLIN)
                guard PQconsumeInput(connection) == 1 else { throw broken() }
            }
            guard let result = PQgetResult(connection) else { break }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: answer = QueryResult(result)
            case PGRES_FATAL_ERROR, PGRES_NONFATAL_ERROR:
                failure = failure ?? self.failure(of: result)
                // A new session may get to a server that takes writes; this one takes none for as long as it is.
                if Self.field("C", of: result) == PostgresError.readOnly { isUsable = false }
            default:
                // COPY and what libpq may invent: the protocol waits for something this program doesn't do.
                isUsable = false
                throw PostgresError(.unexpected, "the database answered a statement in a way that isn't supported")
            }
        }
        if PQstatus(connection) != CONNECTION_OK { isUsable = false }
        if let failure { throw failure }
        return answer
    }

    /// Tells the server to stop the statement that is running, and reads what it says to that.
    private mutating func stop(_ end: Patience.End, _ patience: Patience) throws -> QueryResult {
        // The wish may reach the server late, and would then stop whatever this session runs next.
        defer { isUsable = false }
        let deadline = ContinuousClock.now + Self.cancelGrace
        while ContinuousClock.now < deadline {
            if let cancel = Cancel(connection) { cancel.send() }
            do {
                // The statement may have ended before the server heard of the wish; then it did.
                if let answer = try exchange(patience.uninterrupted(for: Self.cancelAgain)) { return answer }
                break
            } catch is Patience.End {
                // A wish that overtakes its statement is forgotten by the server: say it again.
                continue
            } catch let error as PostgresError where error.kind != .unavailable {
                throw error
            } catch { break }
        }
        if end == .cancelled { throw CancellationError() }
        throw PostgresError(.unavailable, "the database took too long over a statement, which was stopped")
    }

    /// The error of a connection that broke, with what libpq knows about it.
    private mutating func broken() -> PostgresError {
        isUsable = false
        let text = configuration.redacted(String(cString: PQerrorMessage(connection)))
        return PostgresError(.unavailable, "the connection to the database broke: \(text)")
    }

    private func failure(of result: OpaquePointer) -> PostgresError {
        guard let sqlState = Self.field("C", of: result) else {
            let text = configuration.redacted(String(cString: PQresultErrorMessage(result)))
            return PostgresError(.unavailable, "the connection to the database broke: \(text)")
        }
        return .answered(
            sqlState: sqlState, text: configuration.redacted(Self.field("M", of: result) ?? ""),
            constraint: Self.field("n", of: result))
    }

    /// What an error says of itself: PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY and PG_DIAG_CONSTRAINT_NAME are macros of
    /// characters, C, M and n.
    private static func field(_ code: Character, of result: OpaquePointer) -> String? {
        guard let value = code.asciiValue, let text = PQresultErrorField(result, Int32(value)) else { return nil }
        return String(cString: text)
    }

    private func refused() -> PostgresError {
        let text = String(cString: PQerrorMessage(connection))
        let refusal = Refusal(connectMessage: text)
        let said = configuration.redacted(refusal.text)
        guard let sqlState = refusal.sqlState, !PostgresError.isTransient(sqlState: sqlState) else {
            return PostgresError(.unavailable, "the database can't be reached: \(said)")
        }
        return PostgresError(.rejected(sqlState: sqlState), "the database refused the connection: \(said)")
    }
}

/// A notification that a server sent.
public struct Notification: Sendable, Equatable {
    /// The channel's name.
    public let channel: String
    /// What the sender said.
    public let payload: String
}

extension QueryResult {
    /// Copies an answer out of libpq, so that nothing of it outlives its owner.
    fileprivate init(_ result: OpaquePointer) {
        let width = PQnfields(result)
        var columns: [String: Int] = [:]
        for column in 0..<width {
            // A name given twice means its first column, as it does to PQfnumber.
            let name = PQfname(result, column).map { String(cString: $0) } ?? ""
            if columns[name] == nil { columns[name] = Int(column) }
        }
        let height = PQntuples(result)
        rows = (0..<height).map { row in
            Row(
                columns: columns,
                values: (0..<width).map { column in
                    PQgetisnull(result, row, column) == 1
                        ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
                })
        }
        count = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? Int(height)
        command = PQcmdStatus(result).map { String(cString: $0) } ?? ""
    }
}

/// The wish to stop the statement a connection is running. PQcancel blocks until the server has it, so it is sent from a
/// thread that may wait.
private struct Cancel: @unchecked Sendable {  // the object is a copy of the address alone, and one thread owns it
    private let cancel: OpaquePointer

    init?(_ connection: OpaquePointer) {
        guard let cancel = PQgetCancel(connection) else { return nil }
        self.cancel = cancel
    }

    /// Sends the wish and frees this; once only.
    func send() {
        Thread.detachNewThread {
            var complaint = [CChar](repeating: 0, count: 256)
            PQcancel(cancel, &complaint, Int32(complaint.count))
            PQfreeCancel(cancel)
        }
    }
}

/// C strings that live as long as this, in an array that ends with a null pointer.
private struct CStrings: ~Copyable {
    private let array: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String?]) {
        count = strings.count
        array = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() {
            (array + index).initialize(to: string.map { UnsafePointer(strdup($0)) })
        }
        (array + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { free(UnsafeMutablePointer(mutating: array[index])) }
        array.deallocate()
    }

    /// Valid while this is.
    var pointers: UnsafePointer<UnsafePointer<CChar>?> { UnsafePointer(array) }
}
