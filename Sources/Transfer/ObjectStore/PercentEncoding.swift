/// RFC 3986's encoding, in the one form that signatures agree on: everything but letters, digits and `-._~` as `%XX`.
public enum PercentEncoding {
    /// One segment of a path, or a name or value of a query.
    static func segment(_ text: String) -> String { encode(text, slashes: false) }

    /// A path: the slashes between its segments stay.
    public static func path(_ text: String) -> String { encode(text, slashes: true) }

    /// A query out of names and values.
    static func query(_ items: [(String, String)]) -> String {
        items.map { "\(segment($0.0))=\(segment($0.1))" }.joined(separator: "&")
    }

    private static func encode(_ text: String, slashes: Bool) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(Character(Unicode.Scalar(byte)))
            case UInt8(ascii: "/") where slashes: result.append("/")
            default: result += "%" + Hexadecimal.string([byte]).uppercased()
            }
        }
        return result
    }
}
