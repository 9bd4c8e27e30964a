import ArgumentParser

/// Measures Reelway beside its peers. `make bench` runs all of it.
@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure Reelway beside ffmpeg and beside a script that does its work.",
        subcommands: [
            EngineCommand.self, ParetoCommand.self, StreamCommand.self, ServiceCommand.self, SmokeCommand.self,
            TableCommand.self,
        ])
}
