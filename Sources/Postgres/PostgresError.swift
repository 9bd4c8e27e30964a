/// A failure of the database. `description` is safe to store: it holds no parameter and no connection string.
public struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What to do about it.
    public enum Kind: Sendable, Equatable {
        /// No connection, or it broke: try again.
        case unavailable
        /// The server refused the statement.
        case rejected(sqlState: String)
        /// An answer that the program did not expect.
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
