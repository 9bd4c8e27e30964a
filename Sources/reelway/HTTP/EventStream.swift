import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// `GET /videos/{id}/events`: the life of a video as Server-Sent Events
/// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
///
/// ```
/// VideoWatch ─ look ─▶ row ─▶ VideoEvent ─ is it news? ─▶ id, event, data
///                                          └─ no, and 15 s of silence: a comment, so that proxies keep the line
/// ```
struct EventStream: Sendable {
    let store: JobStore
    let watch: VideoWatch
    let metrics: Metrics
    /// Streams at once.
    let most: Int
    /// Silence after which a comment is sent.
    let heartbeat: Duration

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, "/videos/{id}/events") { request, context in
                try await open(try context.pathParameter("id"), request, context)
            }
        ]
    }

    /// A place among the streams, given back when nothing holds it any more: also if the answer was never begun.
    private final class Place: Sendable {
        private let metrics: Metrics

        init?(_ metrics: Metrics, most: Int) {
            guard metrics.openStream(most: most) else { return nil }
            self.metrics = metrics
        }

        deinit { metrics.closeStream() }
    }

    private func open(_ id: String, _ request: Request, _ context: APIContext) async throws -> Response {
        try request.refuseBody()
        guard let status = try await store.status(id) else { throw APIError.noSuchVideo }
        let known = request.headers[named: "last-event-id"]
        let now = VideoEvent(status)
        if now.isLast, known == now.id {
            // Tells an EventSource to come back no more.
            return Response(status: .noContent)
        }
        guard let place = Place(metrics, most: most) else {
            throw APIError(
                .tooManyRequests, ErrorCode.usage.rawValue, "\(most) streams are open; try again, or poll the video",
                headers: [.retryAfter: "10"])
        }
        var headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store", .connection: "close"]
        // nginx would gather events to a bufferful.
        headers[named: "x-accel-buffering"] = "no"
        let body = ResponseBody { writer in
            defer { withExtendedLifetime(place) {} }
            try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
            try await request.body.consumeWithCancellationOnInboundClose { _ in
                try await follow(status.id, after: known, context.logger, to: &writer)
            }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    private func follow(
        _ id: String, after known: String?, _ logger: Logger, to writer: inout any ResponseBodyWriter
    ) async throws {
        let clock = ContinuousClock()
        var lastID = known
        var lastWrite = clock.now
        for await _ in watch.wakeUps(of: id) {
            let event: VideoEvent
            do {
                event = try await store.status(id).map(VideoEvent.init) ?? .deleted(id)
            } catch let error as CancellationError {
                throw error
            } catch {
                // The next look may succeed; the client keeps its line meanwhile.
                logger.debug("events wait for the database", metadata: ["error": "\(Failure(error))"])
                try await beat(clock, &lastWrite, &writer)
                continue
            }
            if event.id != lastID {
                try await writer.write(ByteBuffer(string: event.text))
                (lastID, lastWrite) = (event.id, clock.now)
            } else {
                try await beat(clock, &lastWrite, &writer)
            }
            if event.isLast { return }
        }
    }

    private func beat(
        _ clock: ContinuousClock, _ lastWrite: inout ContinuousClock.Instant, _ writer: inout any ResponseBodyWriter
    ) async throws {
        guard clock.now - lastWrite >= heartbeat else { return }
        try await writer.write(ByteBuffer(string: ": still here\n\n"))
        lastWrite = clock.now
    }
}

/// One event about a video.
struct VideoEvent: Equatable, Sendable {
    let name: String
    /// JSON on one line.
    let data: String
    /// Whether the stream ends with it.
    let isLast: Bool

    private struct Progress: Encodable {
        let id: String
        let status: JobState
        let progress: Double
        let stage: String
        let error: StoredError?
    }

    private struct Ready: Encodable {
        let id: String
        let status = JobState.ready
        let url: String
    }

    private struct Failed: Encodable {
        let id: String
        let status = JobState.failed
        let error: StoredError
    }

    init(_ status: VideoStatus) {
        switch status.state {
        case .pending, .processing:
            self.init(
                "progress",
                Progress(
                    id: status.id, status: status.state, progress: status.progress ?? 0,
                    stage: status.stage ?? (status.isAsked ? "queued" : "idle"),
                    error: status.error.map(StoredError.init)))
        case .ready:
            self.init("ready", Ready(id: status.id, url: status.url ?? ""), isLast: true)
        case .failed:
            self.init(failed: status.id, StoredError(status.error ?? ""))
        }
    }

    /// The row is gone.
    static func deleted(_ id: String) -> VideoEvent {
        VideoEvent(failed: id, StoredError("\(ErrorCode.inputNotFound.rawValue): the video's row was deleted"))
    }

    private init(failed id: String, _ error: StoredError) {
        self.init("failed", Failed(id: id, error: error), isLast: true)
    }

    private init(_ name: String, _ value: some Encodable, isLast: Bool = false) {
        self.name = name
        data = String(buffer: JSONAnswer.buffer(value))
        self.isLast = isLast
    }

    /// The same for the same news, whichever process tells it (FNV-1a, 64 bit).
    var id: String {
        let hash = "\(name) \(data)".utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01b3
        }
        return String(hash, radix: 16)
    }

    /// As it goes over the wire.
    var text: String { "id: \(id)\nevent: \(name)\ndata: \(data)\n\n" }
}
