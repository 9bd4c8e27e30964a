import CPostgres

/// Where a database is, and how long to wait for it.
public struct Configuration: Sendable {
    /// How many connections may be open at once, besides those that listen. A transaction pooler shares few server
    /// connections among many clients, so more than a handful gain nothing.
    public var connections = 4
    /// The longest one attempt to connect may take. All the hosts an address lists, and all the addresses a host has, share
    /// it in turn: one that takes packets and says nothing leaves no time for those after it.
    public var connectTimeout: Duration = .seconds(5)
    /// The longest a statement or a transaction may take, waiting for a connection and for reconnecting included. Kept by
    /// this side, since a transaction pooler refuses `statement_timeout` as a startup parameter and forgets it as a setting.
    public var statementTimeout: Duration = .seconds(10)
    /// The name shown in `pg_stat_activity`, unless the address gives one.
    public var applicationName = "reelway"

    /// The address as given. Holds the password: never print it.
    let address: String
    /// The texts that must not appear in any message.
    private let secrets: [String]

    /// Reads an address: `postgres://user:password@host:port/database?sslmode=…` or `host=… user=…`.
    ///
    /// - Throws: `PostgresError` of kind `unexpected` when it is neither. The error doesn't quote the address.
    public init(address: String) throws {
        var complaint: UnsafeMutablePointer<CChar>?
        // It quotes the address, and with it the password.
        defer { PQfreemem(complaint) }
        // libpq takes nothing at all for its defaults, which is never what was meant.
        guard !address.isEmpty, !address.contains("\0"), let options = PQconninfoParse(address, &complaint) else {
            throw PostgresError(
                .unexpected,
                "the database's address can't be read; it has the form postgres://user:password@host:port/database, with"
                    + " special characters of the password percent-encoded")
        }
        defer { PQconninfoFree(options) }
        var secrets: [String] = []
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val, ["password", "sslpassword"].contains(String(cString: keyword)) {
                secrets.append(String(cString: value))
            }
            option += 1
        }
        self.address = address
        self.secrets = secrets.filter { !$0.isEmpty }
    }

    /// Keywords and values for `PQconnectStartParams`; what the address says wins, since it comes last.
    var parameters: [(keyword: String, value: String)] {
        [
            ("fallback_application_name", applicationName),
            ("client_encoding", "UTF8"),
            // A peer that is gone is noticed within 45 s when idle and within 20 s when something was sent.
            ("keepalives_idle", "30"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"),
            ("dbname", address),
        ]
    }

    /// A text of libpq on one line, without anything secret.
    func redacted(_ text: String) -> String {
        var line = text.split(whereSeparator: \.isNewline).map { $0.trimming(while: \.isWhitespace) }.joined(
            separator: " ")
        for secret in secrets { line = line.replacing(secret, with: "***") }
        return line
    }
}

/// Printed without the address, which holds the password.
extension Configuration: CustomStringConvertible, CustomReflectable {
    /// Connections and limits of time.
    public var description: String {
        "a database: \(connections) connections, \(connectTimeout) to connect, \(statementTimeout) for a statement"
    }
    /// Nothing.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Substring {
    fileprivate func trimming(while isOuter: (Character) -> Bool) -> Substring {
        var rest = drop(while: isOuter)
        while let last = rest.last, isOuter(last) { rest.removeLast() }
        return rest
    }
}
