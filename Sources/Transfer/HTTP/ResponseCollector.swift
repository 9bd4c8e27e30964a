internal import Dispatch
internal import Synchronization

/// Collects a whole answer for one waiter.
final class ResponseCollector: HTTPReceiver {
    typealias Outcome = Result<HTTPResponse, TransferError>

    private struct State {
        var head = HTTPHead(status: 0)
        var body: [UInt8] = []
        var isTooLarge = false
        var sent = 0
        var outcome: Outcome?
        var handler: (@Sendable (Outcome) -> Void)?
    }
    private let state = Mutex(State())
    private let completed = DispatchSemaphore(value: 0)
    private let limit: Int
    private let server: String
    private let onSent: (@Sendable (Int) -> Void)?

    init(_ request: HTTPRequest) {
        limit = request.maximumResponseBytes
        server = HTTPAddress(request.url)?.origin ?? "the server"
        onSent = request.onSent
    }

    func receive(_ head: HTTPHead) -> HTTPFlow {
        state.withLock { $0.head = head }
        return .more
    }

    func receive(_ bytes: RawSpan) -> HTTPFlow {
        let count = bytes.byteCount
        return state.withLock { state in
            guard state.body.count + count <= limit else {
                state.isTooLarge = true
                return .stop
            }
            bytes.withUnsafeBytes { state.body.append(contentsOf: $0) }
            return .more
        }
    }

    func sent(_ bytes: Int) {
        guard let onSent else { return }
        let more = state.withLock { state in
            defer { state.sent = bytes }
            return bytes - state.sent
        }
        // A body that libcurl begins again on another connection counts from its start.
        if more > 0 { onSent(more) }
    }

    func complete(_ result: Result<Void, TransferError>) {
        let (outcome, handler) = state.withLock { state in
            let outcome: Outcome =
                state.isTooLarge
                ? .failure(
                    TransferError(
                        .sourceUnavailable,
                        "\(server) answered with more than \(limit) bytes; check that the address is the right service"
                    ))
                : result.map { HTTPResponse(head: state.head, body: state.body) }
            state.outcome = outcome
            return (outcome, state.handler.take())
        }
        completed.signal()
        handler?(outcome)
    }

    /// The outcome, or `nil` if it doesn't come in time.
    func wait(milliseconds: Int) -> Outcome? {
        _ = completed.wait(timeout: .now() + .milliseconds(milliseconds))
        return state.withLock { $0.outcome }
    }

    /// Calls the handler once, as soon as there is an outcome.
    func whenComplete(_ handler: @escaping @Sendable (Outcome) -> Void) {
        let outcome = state.withLock { state in
            if state.outcome == nil { state.handler = handler }
            return state.outcome
        }
        if let outcome { handler(outcome) }
    }
}
