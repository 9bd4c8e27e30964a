import ArgumentParser
import Foundation

/// `reelway status VIDEO_ID`: where a video stands.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say where a video stands.")

    @Argument(help: "The id of a row of product_videos.")
    var videoID: String

    @Flag(help: "Print the row's fields as JSON.")
    var json = false

    func run() async throws {
        try await DatabaseAccess.withJobs { store in
            guard let status = try await store.status(videoID) else { throw Failure.noSuchVideo(videoID) }
            print(json ? status.json : Self.describe(status))
        }
    }

    /// For people: one fact a line.
    static func describe(_ status: VideoStatus) -> String {
        var lines = ["\(status.id): \(status.state.rawValue)"]
        if status.state == .processing {
            lines[0] += " (\(status.stage ?? "begun"), \(Int((status.progress ?? 0) * 100)) %)"
        } else if status.state == .pending {
            lines[0] += status.isAsked ? " (queued)" : " (not asked for; reelway retry or backfill does)"
        }
        if let url = status.url { lines.append("url:   \(url)") }
        if let error = status.error { lines.append("error: \(error)") }
        return lines.joined(separator: "\n")
    }
}

extension Failure {
    static func noSuchVideo(_ id: String) -> Failure {
        Failure(.inputNotFound, "there is no video \(id) in product_videos")
    }
}
