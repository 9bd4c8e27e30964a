import Foundation
import Logging

/// One line on standard error for each event, as text for people or as JSON for machines.
struct LogLine: LogHandler {
    private let label: String
    private let format: LogSettings.Format
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, settings: LogSettings) {
        self.label = label
        format = settings.format
        logLevel = Logger.Level(rawValue: settings.level.rawValue) ?? .info
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var facts = metadata
        if let provided = metadataProvider?.get() { facts.merge(provided) { $1 } }
        if let given = event.metadata { facts.merge(given) { $1 } }
        let line = line(
            at: .now, level: event.level, message: event.message.description, facts: facts.mapValues { "\($0)" })
        // One call for the whole line: lines of several threads don't mix.
        // A line that can't be written, as the disk is full, must not end the service: `write(_:)` would.
        try? FileHandle.standardError.write(contentsOf: Data((line + "\n").utf8))
    }

    /// The line, without its end.
    func line(at time: Date, level: Logger.Level, message: String, facts: [String: String]) -> String {
        let stamp = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        switch format {
        case .json:
            var fields = ["time": stamp, "level": level.rawValue, "logger": label, "message": message]
            // A fact can't pass for the event's own fields.
            for (key, value) in facts { fields[fields[key] == nil ? key : "data.\(key)"] = value }
            return (try? JSON.text(of: fields, onOneLine: true)) ?? ""
        case .text:
            let list = facts.sorted { $0.key < $1.key }.map { " \($0.key)=\(Self.quoted($0.value))" }
            return "\(stamp) \(level.rawValue) \(label): \(Self.flat(message))\(list.joined())"
        }
    }

    private static func quoted(_ value: String) -> String {
        let flat = flat(value)
        guard flat.isEmpty || flat.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return flat }
        return "\"\(flat.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    /// Without what would end the line, or move a terminal's cursor.
    private static func flat(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return text.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control
                ? "\\u{\(String(scalar.value, radix: 16))}" : String(Character(scalar))
        }.joined()
    }
}

extension LogSettings {
    /// A logger whose lines go to standard error.
    func logger(_ label: String) -> Logger {
        Logger(label: label) { LogLine(label: $0, settings: self) }
    }
}
