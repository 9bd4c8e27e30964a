import HTTPTypes
import Hummingbird

/// Asking for a transcode, and taking the wish back.
struct TranscodeRoutes: Sendable {
    let store: JobStore
    /// Has a worker of this process look at the queue at once.
    let wake: @Sendable () -> Void

    var endpoints: [Endpoint] {
        // The second is the name under which the video sync API has always called.
        ["/transcode", "/.netlify/functions/video-transcode-background"].map { path in
            Endpoint(.post, path) { request, _ in try await trigger(request) }
        } + [
            Endpoint(.delete, "/videos/{id}/transcode") { _, context in
                try await cancel(try context.pathParameter("id"))
            }
        ]
    }

    private struct Queued: Encodable {
        let message = "Transcode queued"
        let videoId: String
        let status = JobState.pending
    }

    private struct AlreadyReady: Encodable {
        let message = "Video already transcoded"
        let url: String
    }

    private struct AlreadyProcessing: Encodable {
        let message = "Already processing"
    }

    private struct Cancelled: Encodable {
        let message = "Transcode cancelled"
        let videoId: String
        let status = JobState.failed
    }

    private func trigger(_ request: Request) async throws -> Response {
        let id = try videoID(in: try await request.jsonObject())
        switch try await store.trigger(id) {
        case .queued:
            wake()
            return JSONAnswer.response(.accepted, Queued(videoId: id))
        case .alreadyReady(let url):
            return JSONAnswer.response(.ok, AlreadyReady(url: url))
        case .alreadyProcessing:
            return JSONAnswer.response(.ok, AlreadyProcessing())
        case .unknown:
            throw APIError.noSuchVideo
        case .noSource:
            throw APIError.noSource
        }
    }

    private func videoID(in body: [String: JSONValue]) throws -> String {
        switch body["videoId"] {
        case .string(let id) where !id.isEmpty: return id
        case .integer(let id): return String(id)
        case nil: throw APIError.badRequest("the body lacks videoId; send {\"videoId\": \"…\"}")
        default: throw APIError.badRequest("videoId is not a text; send the id of a row of product_videos")
        }
    }

    private func cancel(_ id: String) async throws -> Response {
        switch try await store.cancel(id) {
        case .changed:
            return JSONAnswer.response(.ok, Cancelled(videoId: id))
        case .refused(.failed):
            // Asking twice is no mistake.
            let status = try await store.status(id)
            guard status?.error?.hasPrefix(ErrorCode.cancelled.rawValue) == true else { throw Self.nothingToCancel }
            return JSONAnswer.response(.ok, Cancelled(videoId: id))
        case .refused, .noSource:
            throw Self.nothingToCancel
        case .unknown:
            throw APIError.noSuchVideo
        }
    }

    private static let nothingToCancel = APIError.conflict(
        "the video is neither waiting nor being transcoded: there is nothing to cancel")
}
