import Foundation

/// Numbers as people read them.
enum Text {
    /// At most two decimals, none that are zero.
    static func short(_ number: Double) -> String {
        let hundredths = (number * 100).rounded()
        guard hundredths.isFinite, abs(hundredths) < 1e15 else { return "\(number)" }
        let whole = Int(hundredths)
        if whole % 100 == 0 { return "\(whole / 100)" }
        return whole % 10 == 0 ? String(format: "%.1f", number) : String(format: "%.2f", number)
    }

    static func count(_ number: Int, of noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    static func megabytes(_ bytes: Int64) -> String { "\(short(Double(bytes) / 1e6)) MB" }
}

/// JSON as the contract has it: keys sorted, so that two reports can be compared.
enum JSON {
    static func text(of value: some Encodable, onOneLine: Bool = false) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            onOneLine
            ? [.sortedKeys, .withoutEscapingSlashes] : [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
