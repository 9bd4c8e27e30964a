/// What a member of a JSON object is, so that a wrong type can be told from a missing key.
enum JSONValue: Decodable, Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without a fraction that fits.
    case integer(Int64)
    case number(Double)
    case string(String)
    /// An array or an object. What is in it isn't looked at: each level would cost a decoder its whole path again, and a
    /// body of brackets minutes.
    case nested

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else {
            self = .nested
        }
    }
}
