public import LoopbackHTTP

/// A reverse proxy in front of a real store, that loses, delays and falsifies what passes.
///
/// ```
/// client ─▶ LoopbackServer ─▶ StorageFaultQueue: what goes wrong with this request?
///                │  paced                │ refuse ◀┘   │ pass on
///                │                                     ▼
///                ◀──── falsified, cut, delayed ◀──── Upstream (one connection for each request) ─▶ store
/// ```
///
/// Request line and headers pass untouched, Host too, so that a signature made for the proxy's address verifies.
public final class StorageProxy: Sendable {
    /// `http://127.0.0.1:PORT`
    public let url: String

    private let queue: StorageFaultQueue
    private let journal: Journal
    private let down: Throttle
    private let up: Throttle
    private let latency: Latency
    private let server: LoopbackServer

    /// Starts one; it runs until `stop`.
    ///
    /// - Parameters:
    ///   - upstream: The store, `http://127.0.0.1:PORT`.
    ///   - port: 0 takes a free one.
    /// - Throws: When the address isn't one, or the port can't be had.
    public static func start(upstream: String, port: Int = 0) async throws -> StorageProxy {
        let upstream = try Upstream(upstream)
        let queue = StorageFaultQueue()
        let journal = Journal()
        let (down, up) = (Throttle(), Throttle())
        let latency = Latency()
        let server = try await LoopbackServer.start(port: port, journal: journal, throttle: down, intake: up) {
            try await Relay(upstream: upstream, queue: queue, latency: latency).answer($0)
        }
        return StorageProxy(queue, journal, down, up, latency, server)
    }

    private init(
        _ queue: StorageFaultQueue, _ journal: Journal, _ down: Throttle, _ up: Throttle, _ latency: Latency,
        _ server: LoopbackServer
    ) {
        self.queue = queue
        self.journal = journal
        self.down = down
        self.up = up
        self.latency = latency
        self.server = server
        url = "http://127.0.0.1:\(server.port)"
    }

    /// Stops listening and drops all connections.
    public func stop() async { await server.stop() }

    /// All requests since the start or the last `clearRequests`; `subject` is the S3 operation, as in `UploadPart 2`.
    public var requests: [RecordedRequest] { journal.requests }

    /// Forgets the requests so far.
    public func clearRequests() { journal.clear() }

    /// Waits for a request that fits; `nil` when none comes in time.
    public func firstRequest(
        within time: Duration = .seconds(10), where fits: (RecordedRequest) -> Bool
    ) async throws -> RecordedRequest? {
        try await journal.first(within: time, where: fits)
    }

    /// Connections of clients open now.
    public var openConnections: Int { server.openConnections }

    /// Replaces the faults still to come; the first that fits a request is played. What stalls or is delayed goes on.
    public func setFaults(_ faults: [StorageFault]) { queue.replace(with: faults) }

    /// Adds faults behind those still to come.
    public func script(_ faults: StorageFault...) { queue.append(faults) }

    /// How fast bytes pass from now on, to the store and from it.
    public func setBandwidth(up: Throttle.Limits = .init(), down: Throttle.Limits = .init()) {
        self.up.limits = up
        self.down.limits = down
    }

    /// Time before each request is passed on.
    public func setLatency(_ time: Duration) { latency.time = time }
}
