public import Foundation

/// A value that can be sent as a parameter, in PostgreSQL's text format.
public protocol PostgresEncodable: Sendable {
    /// The text the server reads.
    var postgresText: String { get }
}

/// A value that can be read from a row, in PostgreSQL's text format.
public protocol PostgresDecodable: Sendable {
    /// Reads the text the server wrote; nil when it isn't such a value.
    init?(postgresText: String)
}

extension String: PostgresEncodable, PostgresDecodable {
    /// The text the server reads.
    public var postgresText: String { self }
    /// Reads the text the server wrote.
    public init?(postgresText: String) { self = postgresText }
}

extension Int: PostgresEncodable, PostgresDecodable {
    /// The text the server reads.
    public var postgresText: String { String(self) }
    /// Reads the text the server wrote.
    public init?(postgresText: String) { self.init(postgresText) }
}

extension Int64: PostgresEncodable, PostgresDecodable {
    /// The text the server reads.
    public var postgresText: String { String(self) }
    /// Reads the text the server wrote.
    public init?(postgresText: String) { self.init(postgresText) }
}

extension Double: PostgresEncodable, PostgresDecodable {
    /// The shortest text that reads back as the same number; PostgreSQL writes `Infinity` and `NaN` as words.
    public var postgresText: String {
        isNaN ? "NaN" : isInfinite ? (self < 0 ? "-Infinity" : "Infinity") : String(self)
    }
    /// Reads the text the server wrote.
    public init?(postgresText: String) { self.init(postgresText) }
}

extension Bool: PostgresEncodable, PostgresDecodable {
    /// The text the server reads.
    public var postgresText: String { self ? "t" : "f" }
    /// Reads the text the server wrote.
    public init?(postgresText: String) {
        switch postgresText {
        case "t": self = true
        case "f": self = false
        default: return nil
        }
    }
}

extension UUID: PostgresEncodable, PostgresDecodable {
    /// PostgreSQL's own spelling: small letters.
    public var postgresText: String { uuidString.lowercased() }
    /// Reads the text the server wrote.
    public init?(postgresText: String) { self.init(uuidString: postgresText) }
}

extension [String]: PostgresEncodable {
    /// An array literal, each element quoted: `{"a","b"}`.
    public var postgresText: String {
        let elements = map { element in
            "\"" + element.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return "{" + elements.joined(separator: ",") + "}"
    }
}
