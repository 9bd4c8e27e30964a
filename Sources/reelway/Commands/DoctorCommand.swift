import ArgumentParser
import Foundation

/// `reelway doctor`: tries everything the service needs, and says what to set where something is wrong.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check every setting and every service that is needed.")

    func run() async throws {
        let settings: Settings
        do {
            settings = try Settings(ProcessInfo.processInfo.environment, needsDatabase: true)
        } catch let error as SettingsError {
            Self.list(error.entries)
            for fault in error.faults { print("FAULT  \(fault.variable): \(fault.mend)") }
            throw Failure(.usage, "the settings are wrong: see above")
        }
        Self.list(settings.entries)
        print("")
        var faults: [(subject: String, failure: Failure)] = []
        for await finding in Diagnosis(settings).findings() {
            print(finding.line)
            if case .fault(let failure, _) = finding.verdict { faults.append((finding.subject, failure)) }
        }
        guard let first = faults.first else { return print("\nall is well") }
        throw Failure(
            first.failure.code, "the checks of \(faults.map(\.subject).joined(separator: ", ")) failed: see above")
    }

    private static func list(_ entries: [SettingsReader.Entry]) {
        let width = entries.map(\.variable.count).max() ?? 0
        for entry in entries {
            let name = entry.variable.padding(toLength: width, withPad: " ", startingAt: 0)
            print("\(name)  \(entry.shown.isEmpty ? "-" : entry.shown)  (\(entry.source.rawValue))")
        }
    }
}

/// What came of one check.
struct Finding: Sendable {
    enum Verdict: Sendable {
        case good(String)
        /// Works, but not as well as it might.
        case note(String)
        /// Doesn't work; the variables to look at.
        case fault(Failure, mend: String)
    }

    let subject: String
    let verdict: Verdict

    var line: String {
        switch verdict {
        case .good(let text): "ok     \(subject): \(text)"
        case .note(let text): "note   \(subject): \(text)"
        case .fault(let failure, let mend): "FAULT  \(subject): \(failure)\n       see to it: \(mend)"
        }
    }
}
