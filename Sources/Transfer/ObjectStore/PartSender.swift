internal import Dispatch
internal import Foundation
internal import Synchronization

/// Sends the parts of one upload, a few at a time, and those that fail again.
///
/// ```
/// owner's thread    send ─▶ waiting ─start─▶ on its way ─────────▶ stored
///                              ▲                 │ client's thread
///                              └── fails, later ─┘ fails for good ─▶ failure, which the owner throws
/// ```
///
/// The owner's thread blocks in `send` and `drain` and starts what is due; the client's thread only records how each
/// exchange ended. So a part that failed is sent again at the owner's next call, at the latest in `drain`.
final class PartSender: Sendable {
    private let key: String
    private let client: S3Client
    private let connections: Int
    private let state = Mutex(State())
    private let somethingEnded = DispatchSemaphore(value: 0)

    private struct State {
        var pending: [Int: Pending] = [:]
        var stored: [Int: S3StoredPart] = [:]
        var failure: TransferError?
        var isCancelled = false
        var confirmedBytes: Int64 = 0
        var transmittedBytes: Int64 = 0
        var active = 0
        var activeSince = ContinuousClock.now
        var activeTime = Duration.zero

        mutating func begin() {
            if active == 0 { activeSince = .now }
            active += 1
        }
        mutating func end() {
            active -= 1
            if active == 0 { activeTime += .now - activeSince }
        }
    }
    private struct Pending {
        let part: S3Part
        let uploadID: String
        var failures = StoreFailures()
        var isSending = false
        var exchange: HTTPExchange?
        var due = ContinuousClock.now
    }

    init(key: String, client: S3Client, connections: Int) {
        self.key = key
        self.client = client
        self.connections = max(connections, 1)
    }

    /// Puts a part on its way; blocks while as many are as may be. Throws what an earlier part failed with.
    func send(_ part: S3Part, uploadID: String) throws {
        try wait { $0.pending.count < self.connections }
        state.withLock { $0.pending[part.number] = Pending(part: part, uploadID: uploadID) }
        try startDue()
    }

    /// Blocks until all parts are stored and gives them ascending.
    func drain() throws -> [(number: Int, part: S3StoredPart)] {
        try wait { $0.pending.isEmpty }
        return stored
    }

    /// The parts that are stored, ascending.
    var stored: [(number: Int, part: S3StoredPart)] {
        state.withLock { state in state.stored.sorted { $0.key < $1.key }.map { (number: $0.key, part: $0.value) } }
    }

    /// Ends the exchanges; `send` and `drain` throw `cancelled` from now on.
    func cancel() {
        let exchanges = state.withLock { state in
            state.isCancelled = true
            return state.pending.values.compactMap(\.exchange)
        }
        for exchange in exchanges { exchange.cancel() }
        somethingEnded.signal()
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Bytes of the parts that the store has confirmed.
    var confirmedBytes: Int64 { state.withLock { $0.confirmedBytes } }

    /// Bytes that have left for the store, counted again where they were sent again.
    var transmittedBytes: Int64 { state.withLock { $0.transmittedBytes } }

    /// Counts bytes that have left.
    var onSent: @Sendable (Int) -> Void {
        { [weak self] count in self?.state.withLock { $0.transmittedBytes += Int64(count) } }
    }

    /// Time in which at least one exchange was under way, in seconds.
    var activeSeconds: Double {
        state.withLock { state in
            (state.activeTime + (state.active > 0 ? .now - state.activeSince : .zero)) / .seconds(1)
        }
    }

    /// Counts a blocking exchange as active time.
    func measuring<Value>(_ body: () throws(TransferError) -> Value) throws(TransferError) -> Value {
        state.withLock { $0.begin() }
        defer { state.withLock { $0.end() } }
        return try body()
    }

    /// Waits until no exchange is under way, after `cancel`.
    func waitUntilIdle(seconds: Double) {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while state.withLock({ $0.pending.values.contains(where: \.isSending) }), ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.005)
        }
        state.withLock { $0.pending = [:] }
    }

    /// Starts parts that are due until the condition holds.
    private func wait(until condition: (State) -> Bool) throws {
        while true {
            try startDue()
            let (holds, due) = state.withLock { state in
                (condition(state), state.pending.values.filter { !$0.isSending }.map(\.due).min())
            }
            if holds { return }
            let pause = due.map { (max($0, restEnd) - .now) / .seconds(1) } ?? 1
            _ = somethingEnded.wait(timeout: .now() + min(max(pause, 0.001), 1))
        }
    }

    /// When the store may be sent something.
    private var restEnd: ContinuousClock.Instant { client.exchange.rest?.end ?? .now }

    private func startDue() throws {
        let due = try state.withLock { state in
            if let failure = state.failure { throw failure }
            if state.isCancelled { throw StoreExchange.cancelled }
            let now = ContinuousClock.now
            guard restEnd <= now else { return [Pending]() }
            let due = state.pending.values.filter { !$0.isSending && $0.due <= now }
            for var pending in due {
                pending.isSending = true
                // Time in which its owner had nothing to send is none in which the store failed.
                if let since = pending.failures.since { pending.failures.since = since + (now - pending.due) }
                state.pending[pending.part.number] = pending
                state.begin()
            }
            return due
        }
        for pending in due { start(pending) }
    }

    private func start(_ pending: Pending) {
        let number = pending.part.number
        var request = client.partRequest(key, pending.uploadID, pending.part)
        request.onSent = onSent
        let collector = ResponseCollector(request)
        let exchange = client.exchange.client.start(request, receiver: collector)
        let isCancelled = state.withLock { state in
            state.pending[number]?.exchange = exchange
            return state.isCancelled
        }
        if isCancelled { exchange.cancel() }
        collector.whenComplete { [weak self] in self?.ended(number, $0) }
    }

    /// On the client's thread.
    private func ended(_ number: Int, _ outcome: Result<HTTPResponse, TransferError>) {
        state.withLock { state in
            state.end()
            guard var pending = state.pending[number] else { return }
            pending.isSending = false
            pending.exchange = nil
            let failure: StorageFailure
            do throws(StorageFailure) {
                let response = try outcome.mapError { StorageFailure(transport: $0) }.get()
                state.stored[number] = try S3Client.readPart(pending.part, response)
                state.confirmedBytes += Int64(pending.part.bytes.count)
                state.pending[number] = nil
                return
            } catch {
                failure = error
            }
            let exchange = client.exchange
            if let pause = pending.failures.pause(after: failure, exchange.policy, exchange.rest) {
                pending.due = .now + .seconds(pause)
            } else if !state.isCancelled, state.failure == nil {
                state.failure = failure.error(client.exchange.store)
            }
            state.pending[number] = pending
        }
        somethingEnded.signal()
    }
}
