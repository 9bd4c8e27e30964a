import ArgumentParser

/// `reelway backfill`: queues the videos from before Reelway.
struct BackfillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill", abstract: "Queue the videos that nobody has asked for yet.")

    @Option(help: "How many at most, the first ids first.")
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes a number from 1") }
    }

    func run() async throws {
        try await DatabaseAccess.withJobs { store in
            print("queued \(Text.count(try await store.backfill(limit: limit), of: "video"))")
        }
    }
}
