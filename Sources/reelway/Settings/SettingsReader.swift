/// Reads settings out of an environment, and keeps each fault and each value's origin instead of stopping at the first.
struct SettingsReader {
    /// What is wrong with one variable, and how to mend it.
    struct Fault: Sendable, Equatable, CustomStringConvertible {
        let variable: String
        let mend: String

        var description: String { "\(variable): \(mend)" }
    }

    /// One variable as `doctor` lists it. A secret's value is never in here.
    struct Entry: Sendable, Equatable {
        let variable: String
        let shown: String
        let source: Source
    }

    /// Where a value came from.
    enum Source: String, Sendable {
        case flag
        case environment
        case `default` = "default"
        case unset
    }

    private let environment: [String: String]
    private let flags: [String: String]
    private(set) var faults: [Fault] = []
    private(set) var entries: [Entry] = []

    /// - Parameter flags: what was given on the command line, by the variable it stands for; it wins.
    init(_ environment: [String: String], flags: [String: String] = [:]) {
        self.environment = environment
        self.flags = flags
    }

    mutating func fault(_ variable: String, _ mend: String) {
        faults.append(Fault(variable: variable, mend: mend))
    }

    /// A fault, if the variable is unset: what is wrong with one that is set has been said.
    mutating func faultIfUnset(_ variable: String, _ mend: String) {
        if given(variable) == nil { fault(variable, mend) }
    }

    /// Lists a variable that isn't set with the default that the others lead to.
    mutating func listDefault(_ fallback: String, of variable: String) {
        guard let index = entries.firstIndex(where: { $0.variable == variable }) else { return }
        entries[index] = Entry(variable: variable, shown: fallback, source: .default)
    }

    /// A text; an empty variable counts as one that is not set.
    mutating func text(_ variable: String) -> String? {
        let value = given(variable)
        list(variable, value ?? "", value == nil ? .unset : source(of: variable))
        return value
    }

    /// A text with a default.
    mutating func text(_ variable: String, default fallback: String) -> String {
        let value = given(variable)
        list(variable, value ?? fallback, value == nil ? .default : source(of: variable))
        return value ?? fallback
    }

    /// A password, a key or an address that holds one.
    mutating func secret(_ variable: String) -> Secret? {
        let value = given(variable)
        list(variable, value == nil ? "" : "(set, not shown)", value == nil ? .unset : source(of: variable))
        return value.map(Secret.init)
    }

    /// A whole number within bounds.
    mutating func integer(_ variable: String, default fallback: Int, in bounds: ClosedRange<Int>) -> Int {
        optionalInteger(variable, in: bounds, shownDefault: String(fallback)) ?? fallback
    }

    /// A whole number within bounds, or the program's own choice.
    mutating func integer(_ variable: String, in bounds: ClosedRange<Int>) -> Int? {
        optionalInteger(variable, in: bounds, shownDefault: "by the machine")
    }

    /// Seconds, with a fraction where wanted.
    mutating func seconds(_ variable: String, default fallback: Double, in bounds: ClosedRange<Double>) -> Double {
        guard let value = given(variable) else {
            list(variable, Text.short(fallback), .default)
            return fallback
        }
        list(variable, value, source(of: variable))
        guard let number = Double(value), bounds.contains(number) else {
            fault(
                variable,
                "give a number of seconds from \(Text.short(bounds.lowerBound)) to \(Text.short(bounds.upperBound))")
            return fallback
        }
        return number
    }

    /// `true` or `false`.
    mutating func flag(_ variable: String, default fallback: Bool) -> Bool {
        guard let value = given(variable) else {
            list(variable, String(fallback), .default)
            return fallback
        }
        list(variable, value, source(of: variable))
        switch value.lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default:
            fault(variable, "give true or false")
            return fallback
        }
    }

    /// An http or https address without a query and without a slash at its end.
    mutating func address(_ variable: String, default fallback: String? = nil) -> String? {
        guard let value = given(variable) else {
            list(variable, fallback ?? "", fallback == nil ? .unset : .default)
            return fallback
        }
        let trimmed = String(value.reversed().drop { $0 == "/" }.reversed())
        let scheme = ["https://", "http://"].first { trimmed.lowercased().hasPrefix($0) }
        let host = scheme.map { trimmed.dropFirst($0.count).prefix { $0 != "/" } } ?? ""
        let isPlain = !host.isEmpty && !trimmed.contains(where: { $0 == "?" || $0 == "#" || $0.isWhitespace })
        // `user:password@host` would carry a secret into messages.
        guard isPlain, !host.contains("@") else {
            list(variable, "(not an address)", source(of: variable))
            fault(variable, "give an address such as https://host/path, without user, query or fragment")
            return fallback
        }
        list(variable, trimmed, source(of: variable))
        return trimmed
    }

    /// One of a few words.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ variable: String, default fallback: Choice
    ) -> Choice where Choice.RawValue == String {
        guard let value = given(variable) else {
            list(variable, fallback.rawValue, .default)
            return fallback
        }
        list(variable, value, source(of: variable))
        guard let choice = Choice(rawValue: value.lowercased()) else {
            fault(variable, "give one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
            return fallback
        }
        return choice
    }

    private mutating func optionalInteger(
        _ variable: String, in bounds: ClosedRange<Int>, shownDefault: String
    ) -> Int? {
        guard let value = given(variable) else {
            list(variable, shownDefault, .default)
            return nil
        }
        list(variable, value, source(of: variable))
        guard let number = Int(value), bounds.contains(number) else {
            fault(variable, "give a whole number from \(bounds.lowerBound) to \(bounds.upperBound)")
            return nil
        }
        return number
    }

    private func given(_ variable: String) -> String? {
        guard let value = flags[variable] ?? environment[variable] else { return nil }
        let trimmed = value.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()
        return trimmed.isEmpty ? nil : String(trimmed)
    }

    private func source(of variable: String) -> Source { flags[variable] == nil ? .environment : .flag }

    private mutating func list(_ variable: String, _ shown: String, _ source: Source) {
        entries.append(Entry(variable: variable, shown: shown, source: source))
    }
}

/// A text that no message, log or description shows.
struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself, for the one call that needs it.
    let revealed: String

    init(_ text: String) { revealed = text }

    var description: String { "(secret)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}
