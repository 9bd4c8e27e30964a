import Foundation
import Logging
import NIOCore
import Postgres
import ServiceLifecycle
import Synchronization
import Testing

@testable import reelway

/// The HTTP side of the service on a free port, with a database of its own.
struct LiveService: Sendable {
    let port: Int
    let test: TestDatabase
    let store: JobStore
    let metrics: Metrics
    let readiness: Readiness
    let endpoints: [Endpoint]
    /// All that was logged.
    let log: CapturedLog
    /// How often the worker was woken.
    let wakes: Counter
    private let group: ServiceGroup

    /// Begins a graceful stop, as SIGTERM does.
    func stop() async { await group.triggerGracefulShutdown() }

    /// What differs from what `serve` has.
    struct Options: Sendable {
        var token: String?
        var origins: [String] = []
        var mediaFolder: String?
        var limits = ConnectionLimits.Limits()
        var heartbeat: Duration = .seconds(15)
        /// Between two looks; long where a test shows that notifications suffice.
        var interval: Duration = .seconds(1)
    }

    static func with(
        _ options: Options = Options(), _ body: @Sendable @escaping (LiveService) async throws -> Void
    ) async throws {
        try await TestDatabase.withStore { test, _ in try await with(options, on: test, body) }
    }

    /// The same on a database that is there.
    static func with(
        _ options: Options = Options(), on test: TestDatabase,
        _ body: @Sendable @escaping (LiveService) async throws -> Void
    ) async throws {
        let store = JobStore(test.database)
        var reader = SettingsReader([
            "REELWAY_API_TOKEN": options.token ?? "", "PORT": "0",
            "REELWAY_CORS_ORIGINS": options.origins.joined(separator: ","),
        ])
        let log = CapturedLog()
        var logger = Logger(label: "test") { _ in log }
        logger.logLevel = .trace
        let wakes = Counter()
        let watch = VideoWatch(database: test.database, interval: options.interval, logger: logger)
        let readiness = Readiness(objects: nil)
        let service = HTTPService(
            settings: ServerSettings(&reader), store: store, watch: watch, metrics: Metrics(),
            readiness: readiness, mediaFolder: options.mediaFolder, limits: options.limits,
            heartbeat: options.heartbeat, logger: logger,
            wake: { wakes.count() })
        #expect(reader.faults.isEmpty)
        let (addresses, listening) = AsyncStream<Int>.makeStream()
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    service.application { address in
                        listening.yield(address?.port ?? 0)
                        listening.finish()
                    }, watch, readiness,
                ], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            var ports = addresses.makeAsyncIterator()
            let port = try #require(await ports.next())
            try await body(
                LiveService(
                    port: port, test: test, store: store, metrics: service.metrics, readiness: readiness,
                    endpoints: service.endpoints, log: log, wakes: wakes, group: group))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// One request on a connection of its own.
    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> HTTPConnection.Answer {
        try await HTTPConnection.with(port: port) { connection in
            try await connection.request(method, path, headers: headers, body: body)
        }
    }

    /// Waits until something is so.
    func until(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while !condition() {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func trigger(_ id: String) async throws -> HTTPConnection.Answer {
        try await request("POST", "/transcode", body: "{\"videoId\":\"\(id)\"}")
    }

    /// Claims a video as a worker does.
    func claim(_ owner: String = "worker") async throws -> Job {
        try #require(try await store.claim(owner: owner, lease: 60))
    }
}

/// Keeps what is logged.
struct CapturedLog: LogHandler {
    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    private let lines = Lines()
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let facts = metadata.merging(event.metadata ?? [:]) { $1 }
        lines.all.withLock { $0.append("\(event.level) \(event.message) \(facts)") }
    }

    var text: String { lines.all.withLock { $0.joined(separator: "\n") } }
}

/// Counts calls from any thread.
final class Counter: Sendable {
    private let state = Mutex(0)
    func count() { state.withLock { $0 += 1 } }
    var value: Int { state.withLock { $0 } }
}
