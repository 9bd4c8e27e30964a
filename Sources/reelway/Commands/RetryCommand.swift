import ArgumentParser

/// `reelway retry VIDEO_ID…`: makes videos again, whatever there is of them.
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Queue videos again, with all their attempts.")

    @Argument(help: ArgumentHelp("Ids of rows of product_videos.", valueName: "video-id"))
    var videoIDs: [String]

    func validate() throws {
        if videoIDs.isEmpty { throw ValidationError("name at least one video") }
    }

    func run() async throws {
        try await DatabaseAccess.withJobs { store in
            // One that can't be retried doesn't keep the others from it; the first such ends the command.
            var first: Failure?
            for id in videoIDs {
                let failure = try await Self.retry(id, store)
                print(failure.map { "\(id): \($0.message)" } ?? "\(id): queued")
                first = first ?? failure
            }
            if let first { throw first }
        }
    }

    private static func retry(_ id: String, _ store: JobStore) async throws -> Failure? {
        switch try await store.reset(id) {
        case .changed: nil
        case .refused: Failure(.usage, "\(id) is being transcoded now; cancel that first, or wait")
        case .noSource: Failure(.usage, "the row of \(id) names no onedrive_file_id")
        case .unknown: Failure.noSuchVideo(id)
        }
    }
}
