/// One row of an answer: its columns' texts by name.
public struct Row: Sendable {
    let columns: [String: Int]
    let values: [String?]

    /// The text of a column; nil where it is null or there is no such column.
    public subscript(_ column: String) -> String? {
        columns[column].flatMap { values[$0] }
    }

    /// The value of a column that is never null.
    ///
    /// - Throws: `PostgresError` of kind `unexpected`, naming the column and never its content, when the column is absent,
    ///   null, or not such a value.
    public func decode<Value: PostgresDecodable>(_ type: Value.Type = Value.self, _ column: String) throws -> Value {
        guard let value = try decodeIfPresent(type, column) else {
            throw PostgresError(.unexpected, "the database's column \(column) is null where a value is needed")
        }
        return value
    }

    /// The value of a column, or nil where it is null.
    ///
    /// - Throws: `PostgresError` of kind `unexpected` when the column is absent or not such a value.
    public func decodeIfPresent<Value: PostgresDecodable>(
        _ type: Value.Type = Value.self, _ column: String
    ) throws -> Value? {
        guard let index = columns[column] else {
            throw PostgresError(.unexpected, "the database's answer has no column \(column)")
        }
        guard let text = values[index] else { return nil }
        guard let value = Value(postgresText: text) else {
            throw PostgresError(.unexpected, "the database's column \(column) holds no \(Value.self)")
        }
        return value
    }
}

/// The answer to one statement.
public struct QueryResult: Sendable {
    /// The rows, in the server's order; none where the statement returns none.
    public let rows: [Row]
    /// How many rows the statement changed or returned.
    public let count: Int
    /// The server's own word for what it did: `COMMIT`, `UPDATE 1`.
    let command: String
}
