import Foundation
import HTTPTypes
import Hummingbird
import Media

/// Looking at videos, retrying one by hand, and waiting for its address.
struct VideoRoutes: Sendable {
    let store: JobStore
    let watch: VideoWatch
    /// Has a worker of this process look at the queue at once.
    let wake: @Sendable () -> Void

    /// Waiting for longer would outlast the patience of most proxies.
    static let longestWait = 60.0

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, "/videos") { request, _ in try await list(request) },
            Endpoint(.get, "/videos/{id}") { _, context in
                Self.answer(try await known(try context.pathParameter("id")))
            },
            Endpoint(.patch, "/videos/{id}") { request, context in
                try await retry(try context.pathParameter("id"), request)
            },
            Endpoint(.get, "/videos/{id}/social-ready") { request, context in
                try await socialReady(try context.pathParameter("id"), request)
            },
        ]
    }

    private func known(_ id: String) async throws -> VideoStatus {
        guard let status = try await store.status(id) else { throw APIError.noSuchVideo }
        return status
    }

    private static func answer(_ status: VideoStatus) -> Response { answer(json: status.json) }

    private static func answer(json: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: JSONAnswer.contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: json)))
    }

    private func list(_ request: Request) async throws -> Response {
        guard let product = try request.queryParameter("productId"), !product.isEmpty else {
            throw APIError.badRequest("say whose videos: /videos?productId=…")
        }
        let videos = try await store.videos(ofProduct: product)
        return Self.answer(json: "{\"videos\":[\(videos.map(\.json).joined(separator: ","))]}")
    }

    private func retry(_ id: String, _ request: Request) async throws -> Response {
        guard try await request.jsonObject() == ["social_ready_status": .string(JobState.pending.rawValue)] else {
            throw APIError.badRequest("the only change is {\"social_ready_status\": \"pending\"}: a manual retry")
        }
        switch try await store.reset(id) {
        case .changed:
            wake()
            return Self.answer(try await known(id))
        case .refused:
            throw APIError.conflict("the video is being transcoded now; cancel that first, or wait")
        case .noSource:
            throw APIError.noSource
        case .unknown:
            throw APIError.noSuchVideo
        }
    }

    private struct SocialReady: Encodable {
        let videoId: String
        let status = JobState.ready
        let url: String
    }

    private struct Going: Encodable {
        let message: String
        let videoId: String
        let status: JobState
        @Nullable var progress: Double?
        @Nullable var stage: String?
    }

    private func socialReady(_ id: String, _ request: Request) async throws -> Response {
        let seconds = try wait(request)
        try request.refuseBody()
        let status = try await known(id)
        if let end = try Self.end(status) { return end }
        // HEAD is safe (RFC 9110, section 9.2.1): it asks for nothing to be done.
        if request.method == .head { return Self.going(status) }
        switch try await store.expedite(id) {
        case .queued: wake()
        case .unknown: throw APIError.noSuchVideo
        case .noSource: throw APIError.noSource
        case .alreadyReady, .alreadyProcessing: break
        }
        guard seconds > 0 else {
            let now = try await known(id)
            return try Self.end(now) ?? Self.going(now)
        }
        // The caller may give up before we do.
        let ended = try await request.body.consumeWithCancellationOnInboundClose { _ in
            try await within(.seconds(seconds)) { try await end(of: status.id) }
        }
        var response = if let ended = ended ?? nil { ended } else { Self.going(try await known(id)) }
        response.headers[.connection] = "close"
        return response
    }

    /// Waits until the video is done with; `nil` where the service ends before.
    private func end(of id: String) async throws -> Response? {
        for await _ in watch.wakeUps(of: id) {
            if let end = try Self.end(try await known(id)) { return end }
        }
        return nil
    }

    private func wait(_ request: Request) throws -> Double {
        guard let text = try request.queryParameter("wait") else { return 0 }
        guard let seconds = Double(text), seconds >= 0, seconds.isFinite else {
            throw APIError.badRequest("wait is not a number of seconds")
        }
        return min(seconds, Self.longestWait)
    }

    /// The answer for a video that is done with, one way or the other.
    private static func end(_ status: VideoStatus) throws -> Response? {
        switch status.state {
        case .pending, .processing: return nil
        case .ready: return JSONAnswer.response(.ok, SocialReady(videoId: status.id, url: status.url ?? ""))
        case .failed:
            let stored = StoredError(status.error ?? "")
            throw APIError(.unprocessableContent, stored.code, stored.message)
        }
    }

    private static func going(_ status: VideoStatus) -> Response {
        let message =
            status.state == .processing
            ? "Still being transcoded" : status.isResting ? "Waiting for its next attempt" : "First in the queue"
        return JSONAnswer.response(
            .accepted,
            Going(
                message: message, videoId: status.id, status: status.state, progress: status.progress,
                stage: status.stage))
    }
}

/// `CODE: sentence` of `social_ready_error`, taken apart. The application may have written anything there.
struct StoredError: Equatable, Encodable {
    let code: String
    let message: String

    init(_ text: String) {
        let parts = text.split(separator: ": ", maxSplits: 1).map(String.init)
        if parts.count == 2, ErrorCode(rawValue: parts[0]) != nil {
            (code, message) = (parts[0], parts[1])
        } else {
            (code, message) = (ErrorCode.internal.rawValue, text.isEmpty ? "the transcode failed" : text)
        }
    }
}

extension Request {
    /// Routes that wait look at the connection for the caller's leaving, and have no eyes for a body.
    func refuseBody() throws {
        guard headers[.transferEncoding] == nil, (headers[.contentLength].flatMap { Int($0) } ?? 0) == 0 else {
            throw APIError.badRequest("this route takes no body")
        }
    }
}
