/// What a server said when it refused a connection, read out of libpq's text, which is all that libpq gives.
///
///     connection to server at "127.0.0.1", port 5432 failed: FATAL:  28P01: password authentication failed for user "x"
///     LOCATION:  auth_failed, auth.c:335
struct Refusal {
    /// The server's error code; nil where no server answered.
    let sqlState: String?
    /// The text without the code and without the place in the server's source.
    let text: String

    /// Reads libpq's text at verbosity `PQERRORS_VERBOSE`.
    init(connectMessage: String) {
        var sqlState: String?
        let lines = connectMessage.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("LOCATION:") }
        // Two spaces after the severity, whatever its language.
        let pattern = /:  ([0-9A-Z]{5})(: |$)/
        text = lines.map { line in
            guard let match = line.firstMatch(of: pattern) else { return String(line) }
            // The last host's answer counts: the others were passed over for it.
            sqlState = String(match.1)
            return line.replacingCharacters(in: match.range, with: ": ")
        }.joined(separator: "\n")
        self.sqlState = sqlState
    }
}

extension Substring {
    fileprivate func replacingCharacters(in range: Range<Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
