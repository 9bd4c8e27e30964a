import Foundation
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// Tells those who wait for a video when to look at it again.
///
/// ```
/// NOTIFY social_ready ─▶ listen ─┐
///                                ├─▶ VideoWatch ─ a wake-up for each who waits ─▶ EventStream, social-ready
/// clock ─ each second, or fifth ──┘                                                 └─ read the row: the authority
/// ```
///
/// A wake-up says nothing but "look": one that is lost or comes twice does no harm, and behind a transaction pooler, where
/// no notification passes, the clock's are enough.
final class VideoWatch: Service {
    private struct Waiting {
        var next = 0
        var isOver = false
        var isListening = false
        var streams: [Int: (video: String, wake: AsyncStream<Void>.Continuation)] = [:]
    }

    private let database: Database
    private let interval: Duration
    private let logger: Logger
    private let waiting = Mutex(Waiting())

    /// - Parameter interval: between two looks of everybody, whatever was notified.
    init(database: Database, interval: Duration = .seconds(1), logger: Logger) {
        self.database = database
        self.interval = interval
        self.logger = logger
    }

    /// Wake-ups for one video, the first at once, until the stream is dropped or the service ends.
    func wakeUps(of video: String) -> AsyncStream<Void> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let key = waiting.withLock { waiting -> Int? in
                guard !waiting.isOver else { return nil }
                waiting.next += 1
                waiting.streams[waiting.next] = (video, continuation)
                return waiting.next
            }
            guard let key else {
                continuation.finish()
                return
            }
            continuation.onTermination = { [weak self] _ in
                self?.waiting.withLock { $0.streams[key] = nil }
            }
            continuation.yield()
        }
    }

    func run() async throws {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.tick() }
                group.addTask { await self.listen() }
                try? await gracefulShutdown()
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            self.end()
        }
    }

    private func tick() async {
        var ticks = 0
        while (try? await Task.sleep(for: interval)) != nil {
            ticks += 1
            // Told of changes, those who wait need only be sure that none was lost.
            if ticks % Self.trust == 0 || !waiting.withLock({ $0.isListening }) { wake { _ in true } }
        }
    }

    /// Ticks of the clock for each look while notifications come.
    private static let trust = 5

    private func listen() async {
        for await event in database.listen(to: ["social_ready"]) {
            switch event {
            case .listening:
                waiting.withLock { $0.isListening = true }
                wake { _ in true }
            case .notification(let notification):
                guard let id = SocialReadyNotice(payload: notification.payload)?.id else { continue }
                wake { $0 == id }
            case .unavailable(let error), .impossible(let error):
                waiting.withLock { $0.isListening = false }
                logger.info("changes are found by polling", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func wake(where isMeant: (String) -> Bool) {
        let meant = waiting.withLock { waiting in waiting.streams.values.filter { isMeant($0.video) }.map(\.wake) }
        for continuation in meant { continuation.yield() }
    }

    private func end() {
        let streams = waiting.withLock { waiting in
            waiting.isOver = true
            return waiting.streams.values.map(\.wake)
        }
        for continuation in streams { continuation.finish() }
    }
}

/// What `NOTIFY social_ready` carries, as far as it is needed.
struct SocialReadyNotice: Decodable, Equatable {
    let id: String
    let status: JobState

    init?(payload: String) {
        guard let notice = try? JSONDecoder().decode(SocialReadyNotice.self, from: Data(payload.utf8)) else {
            return nil
        }
        self = notice
    }
}
