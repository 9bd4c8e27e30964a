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
        Interruption.outlivesReaders()
        var status: Int32
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            status = 0
        } catch let failure as ExitStatus {
            status = failure.code
        } catch {
            switch exitCode(for: error) {
            case .success:
                // Help or the version was asked for.
                print(fullMessage(for: error))
                status = 0
            case .validationFailure:
                let message = self.message(for: error).split(separator: "\n").joined(separator: " ")
                ExitStatus.print("usage: \(message); see reelway --help")
                status = ErrorCode.usage.exitStatus
            default: status = ExitStatus.report(error)
            }
        }
        if fflush(nil) != 0, status == 0 {
            status = ExitStatus.report(
                Failure(
                    .storageRejected,
                    "standard output can't be written; see whether its disk is full, or its reader gone"))
        }
        // Not exit(3): the libraries' exit handlers take away what threads that still run are about to use; OpenSSL's
        // took its locks from one that was closing a connection.
        _exit(status)
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
        try? FileHandle.standardError.write(contentsOf: Data("reelway: \(flat)\n".utf8))
    }
}
