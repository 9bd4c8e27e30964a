/// Bytes as lower-case hexadecimal digits, the form of hashes, signatures and ETags.
public enum Hexadecimal {
    /// Two digits a byte.
    public static func string(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }

    private static let digits = Array("0123456789abcdef")
}
