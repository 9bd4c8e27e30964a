/// A failure of the database. `description` is safe to store: it holds no parameter and no connection string.
public struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What to do about it.
    public enum Kind: Sendable, Equatable {
        /// No connection, it broke, or the server can't answer now: try again.
        case unavailable
        /// The server refused the statement, or the connection; trying again won't help.
        case rejected(sqlState: String)
        /// An answer that the program did not expect, or a value that can't be sent.
        case unexpected
    }

    /// What kind of failure it is.
    public let kind: Kind
    /// One sentence.
    public let message: String

    /// Makes an error.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}

extension PostgresError {
    /// The error for what a server answered.
    ///
    /// The server quotes values in the texts of data exceptions (class 22) and constraint violations (class 23), so these
    /// say what was violated and not by what.
    ///
    /// - Parameters:
    ///   - sqlState: the five characters of the server's error code.
    ///   - text: the server's primary message.
    ///   - constraint: the name of the violated constraint, where there is one.
    static func answered(sqlState: String, text: String, constraint: String?) -> PostgresError {
        let kind: Kind = isTransient(sqlState: sqlState) ? .unavailable : .rejected(sqlState: sqlState)
        let name = constraint.map { " of \($0)" } ?? ""
        switch sqlState.prefix(2) {
        case "22": return PostgresError(kind, "the database refused a value (SQLSTATE \(sqlState))")
        case "23": return PostgresError(kind, "the database's rules forbid the change (SQLSTATE \(sqlState)\(name))")
        default: return PostgresError(kind, "the database answered: \(text) (SQLSTATE \(sqlState))")
        }
    }

    /// The error code of a write that a standby refuses, or a server that is kept from being written.
    static let readOnly = "25006"

    /// Whether an error code of the server passes by itself: its connections, its resources, its start and stop, and the
    /// conflicts of transactions ([appendix A](https://www.postgresql.org/docs/15/errcodes-appendix.html)).
    static func isTransient(sqlState: String) -> Bool {
        switch sqlState {
        case "57P01", "57P02", "57P03", "57P05",  // shutdown, crash, starting up, idle session ended
            "57014",  // cancelled by a time limit of the server
            "55P03",  // a lock was not to be had in time
            "40001", "40P01",  // serialization failure, deadlock
            readOnly,
            "XX000":  // whatever Supavisor has to say: no connection left, the server behind it gone
            true
        default: sqlState.hasPrefix("08") || sqlState.hasPrefix("53")
        }
    }
}
