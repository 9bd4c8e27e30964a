import ArgumentParser
import Foundation
import Media

/// The command. `transcode` and `inspect` stay on the main thread; what waits for a database or serves is asynchronous.
@main
struct ReelwayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reelway",
        abstract: "Prepares videos for Instagram: H.264/AAC in a fast-start MP4.",
        version: "reelway \(Reelway.version)",
        subcommands: [
            TranscodeCommand.self, InspectCommand.self, ServeCommand.self, MigrateCommand.self, StatusCommand.self,
            RetryCommand.self, CancelCommand.self, BackfillCommand.self, DoctorCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as ExitStatus {
            Foundation.exit(failure.code)
        } catch {
            let status = exitCode(for: error)
            guard status == .success || status == .validationFailure else { Foundation.exit(ExitStatus.report(error)) }
            if status == .success { exit(withError: error) }
            let message = self.message(for: error).split(separator: "\n").joined(separator: " ")
            ExitStatus.print("usage: \(message); see reelway --help")
            Foundation.exit(64)
        }
    }
}

/// A failure that has been reported and only has to end the process.
struct ExitStatus: Error {
    let code: Int32

    /// Prints the one line every failure gets and returns its exit status.
    static func report(_ error: any Error) -> Int32 {
        let failure = Failure(error)
        print(failure.description)
        return failure.code.exitStatus
    }

    static func print(_ line: String) {
        let flat = line.split(whereSeparator: \.isNewline).joined(separator: " ")
        FileHandle.standardError.write(Data("reelway: \(flat)\n".utf8))
    }
}
