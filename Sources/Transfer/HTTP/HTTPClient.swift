//  any thread                         the client's thread (HTTPThread)
//
//  HTTPClient.start ──command──▶ HTTPMulti ─ one curl_multi ─▶ HTTPTransfer ─ one curl_easy ─▶ HTTPReceiver
//  HTTPExchange.resume/.cancel ─▶   │ starts, pauses, ends, times out      │ bytes as they come
//                                   └─ connections: reused, checked by AddressRule as they open

/// HTTP/1.1 over libcurl, on one thread of its own.
///
/// Redirects are never followed, no proxy, `.netrc` or cookie is used, nothing is decompressed, and each address is
/// checked when a connection to it opens.
public final class HTTPClient: Sendable {
    /// How a client behaves.
    public struct Options: Sendable {
        /// Sent with each request.
        public var userAgent = "reelway"
        /// Whether connections to private, loopback and link-local addresses are allowed.
        public var allowsPrivateHosts = false
        /// For name lookup, connection and TLS handshake together, in seconds.
        public var connectTimeout = 10.0
        /// An exchange ends when less than 4 KiB of a body, or of an answer not even the head, moves in this time, in seconds;
        /// pauses don't count.
        public var stallSeconds = 30.0
        /// A connection that was idle for longer isn't used again, in seconds: its server may have ended it.
        public var mostIdleSeconds = 15
        /// Further exchanges with a host wait for a connection.
        public var connectionsPerHost = 6

        /// The defaults.
        public init() {}
    }

    private let thread: HTTPThread

    /// Starts the thread.
    public init(_ options: Options = .init()) {
        thread = HTTPThread(options)
    }

    deinit { shutdown() }

    /// Makes an exchange and collects the answer. Blocks, so never call it on Swift's cooperative threads.
    ///
    /// Throws a `TransferError` with the code `source_unavailable` where no answer came, `source_forbidden` where the
    /// address isn't public, `cancelled`; an HTTP status is no error. `isCancelled` is asked ten times a second.
    public func send(
        _ request: HTTPRequest, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(TransferError) -> HTTPResponse {
        let collector = ResponseCollector(request)
        let exchange = start(request, receiver: collector)
        while true {
            if let result = collector.wait(milliseconds: 100) { return try result.get() }
            if isCancelled() { exchange.cancel() }
        }
    }

    /// The same for tasks: suspends, and ends when its task is cancelled.
    public func response(to request: HTTPRequest) async throws(TransferError) -> HTTPResponse {
        let collector = ResponseCollector(request)
        let exchange = start(request, receiver: collector)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                collector.whenComplete { continuation.resume(returning: $0) }
            }
        } onCancel: {
            exchange.cancel()
        }
        return try result.get()
    }

    /// Starts an exchange whose answer is delivered on the client's thread.
    ///
    /// After `shutdown` the receiver is told at once, by the calling thread.
    @discardableResult
    func start(_ request: HTTPRequest, receiver: any HTTPReceiver) -> HTTPExchange {
        HTTPExchange(thread, id: thread.start(request, receiver))
    }

    /// Ends all exchanges with an error, closes the connections and waits for the thread to end.
    public func shutdown() { thread.stop() }
}
