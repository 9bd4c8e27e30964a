/// Numbers as the tables show them.
enum Numbers {
    /// Three or so digits that count.
    static func short(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        let digits =
            abs(value) >= 100 || value == value.rounded() ? 0 : abs(value) >= 20 ? 1 : abs(value) >= 0.1 ? 2 : 4
        return fixed(value, digits)
    }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "–" }
        let scale = [1.0, 10, 100, 1000, 10_000][digits]
        let scaled = Int((abs(value) * scale).rounded())
        let whole = "\(scaled / Int(scale))"
        let part = digits == 0 ? "" : "." + String("\(scaled % Int(scale) + Int(scale))".dropFirst())
        return (value < 0 && scaled != 0 ? "-" : "") + whole + part
    }

    static func mebibytes(_ bytes: Double) -> String { fixed(bytes / 1_048_576, bytes < 10_485_760 ? 2 : 0) }
}
