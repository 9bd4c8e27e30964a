/// What a receiver wants next.
enum HTTPFlow: Sendable {
    /// Go on.
    case more
    /// Nothing was taken: deliver the same again after `HTTPExchange.resume()`. Paused time is no stall.
    case pause
    /// End the exchange: `complete` gets `cancelled`.
    case stop
}

/// Takes the answer of one exchange as it arrives. Called on the client's thread only, so it must not block.
protocol HTTPReceiver: AnyObject, Sendable {
    /// The final head: redirects are answers like any other, 1xx are left out.
    func receive(_ head: HTTPHead) -> HTTPFlow
    /// The next bytes of the body, at most 16 KiB.
    func receive(_ bytes: RawSpan) -> HTTPFlow
    /// How many bytes of the request's body the other side has so far. Never called for a request without one.
    func sent(_ bytes: Int)
    /// Called exactly once, last. Success means that the whole body came, by the answer's own length.
    func complete(_ result: Result<Void, TransferError>)
}

extension HTTPReceiver {
    /// Most receivers don't count what was sent.
    func sent(_ bytes: Int) {}
}

/// One exchange under way; usable from any thread, also after it has ended.
final class HTTPExchange: Sendable {
    private let thread: HTTPThread
    private let id: UInt64

    init(_ thread: HTTPThread, id: UInt64) {
        self.thread = thread
        self.id = id
    }

    /// Ends a pause.
    func resume() { thread.post(.resume(id)) }

    /// Ends the exchange and its connection; its receiver is told `cancelled`.
    func cancel() { thread.post(.cancel(id)) }
}
