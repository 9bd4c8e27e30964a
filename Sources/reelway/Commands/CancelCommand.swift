import ArgumentParser

/// `reelway cancel VIDEO_ID`: stops a video that waits or is worked on.
struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Stop a video that waits or is being transcoded.")

    @Argument(help: "The id of a row of product_videos.")
    var videoID: String

    func run() async throws {
        try await DatabaseAccess.withJobs { store in
            switch try await store.cancel(videoID) {
            case .changed: print("\(videoID): cancelled")
            case .refused(let state):
                throw Failure(.usage, "\(videoID) is \(state.rawValue): there is nothing to cancel")
            case .noSource: throw Failure(.usage, "the row of \(videoID) names no onedrive_file_id")
            case .unknown: throw Failure.noSuchVideo(videoID)
            }
        }
    }
}
