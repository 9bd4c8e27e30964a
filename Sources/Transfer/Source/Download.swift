internal import Dispatch
internal import Glibc
internal import Synchronization

/// Carries out what a `DownloadState` decides: the one place where a source's threads meet.
final class Download: Sendable {
    /// What is known once the first answer's head has come.
    struct Opening: Sendable {
        let length: Int64?
        let isSeekable: Bool
    }

    private struct Shared {
        var state: DownloadState
        var exchanges: [UInt64: HTTPExchange] = [:]
        /// Requests to resume once they are in `exchanges`: their answer may be there before.
        var resumesAhead: Set<UInt64> = []
        var isReaderWaiting = false
        var opening: (@Sendable (Result<Opening, TransferError>) -> Void)?
    }

    let name: String
    private let client: HTTPClient
    private let renewAddress: (@Sendable () async throws(TransferError) -> String)?
    private let shared: Mutex<Shared>
    private let readerWakes = DispatchSemaphore(value: 0)

    init(_ location: RangedSource.Location, _ client: HTTPClient, _ options: RangedSource.Options) {
        name = location.name
        self.client = client
        renewAddress = location.renew
        shared = Mutex(
            Shared(
                state: DownloadState(
                    SourceAddress(location.url, canRenew: location.renew != nil, allows: location.allows),
                    name: location.name, expectedLength: location.length, options: options)))
    }

    var received: ReceivedBytes { shared.withLock { $0.state.received } }

    func lastHeld(now: Double) -> Double { shared.withLock { min(now, $0.state.holdUntil) } }

    /// Starts, and calls back once when the first answer's head has come or can't be had.
    func open(_ callback: @escaping @Sendable (Result<Opening, TransferError>) -> Void) {
        update { shared, actions in
            shared.opening = callback
            shared.state.pump(now: HTTPTransfer.now(), &actions)
        }
    }

    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        guard target.count > 0 else { return 0 }
        while true {
            let result = update { shared, actions in
                Result { () throws(TransferError) in
                    let now = HTTPTransfer.now()
                    let count = try shared.state.read(into: target, at: offset, now: now, &actions)
                    if count == nil { shared.isReaderWaiting = true }
                    return count
                }
            }
            if let count = try result.get() { return count }
            readerWakes.wait()
        }
    }

    func stop(_ error: TransferError) {
        update { $0.state.stop(error, &$1) }
    }

    func close() {
        update {
            $0.state.stop(HTTPTransfer.cancelled, &$1)
            $0.state.freeMemory()
        }
    }

    // MARK: Events

    /// Lets the state change, then does what it wants done, outside the lock.
    @discardableResult
    private func update<R: Sendable>(_ change: (inout Shared, inout [DownloadState.Action]) -> R) -> R {
        let (result, actions, opened) = shared.withLock { shared in
            var actions: [DownloadState.Action] = []
            let result = change(&shared, &actions)
            return (result, actions, Download.opened(&shared))
        }
        opened?()
        for action in actions { perform(action) }
        return result
    }

    /// What to call when the opening is decided.
    private static func opened(_ shared: inout Shared) -> (@Sendable () -> Void)? {
        let result: Result<Opening, TransferError>
        if let failure = shared.state.failure {
            result = .failure(failure)
        } else if shared.state.mode != .opening {
            result = .success(Opening(length: shared.state.length, isSeekable: shared.state.isSeekable))
        } else {
            return nil
        }
        guard let callback = shared.opening.take() else { return nil }
        return { callback(result) }
    }

    private func perform(_ action: DownloadState.Action) {
        switch action {
        case .fetch(let id, let url, let range):
            let headers = [
                (name: "Range", value: "bytes=\(range.lowerBound)-\(range.upperBound - 1)"),
                (name: "Accept-Encoding", value: "identity"),
            ]
            let exchange = client.start(HTTPRequest("GET", url, headers: headers), receiver: RangeReceiver(self, id))
            let (isOver, isResumed) = shared.withLock { shared in
                let isResumed = shared.resumesAhead.remove(id) != nil
                guard shared.state.isUnderWay(id) else { return (true, false) }
                shared.exchanges[id] = exchange
                return (false, isResumed)
            }
            if isOver { exchange.cancel() }
            if isResumed { exchange.resume() }
        case .cancel(let id):
            shared.withLock { $0.exchanges[id] }?.cancel()
        case .resume(let id):
            let exchange = shared.withLock { shared in
                if shared.exchanges[id] == nil, shared.state.isUnderWay(id) { shared.resumesAhead.insert(id) }
                return shared.exchanges[id]
            }
            exchange?.resume()
        case .renew:
            renew()
        case .wake(let seconds):
            Task { [weak self] in
                try? await Task.sleep(for: .seconds(seconds))
                self?.update { $0.state.timer(now: HTTPTransfer.now(), &$1) }
            }
        case .wakeReader:
            let isWaiting = shared.withLock { shared in
                defer { shared.isReaderWaiting = false }
                return shared.isReaderWaiting
            }
            if isWaiting { readerWakes.signal() }
        }
    }

    private func renew() {
        guard let renewAddress else { return }
        Task { [weak self] in
            let result: Result<String, TransferError>
            do throws(TransferError) {
                result = .success(try await renewAddress())
            } catch {
                result = .failure(error)
            }
            self?.update { $0.state.renewed(result, now: HTTPTransfer.now(), &$1) }
        }
    }

    fileprivate func head(_ id: UInt64, _ head: HTTPHead) -> HTTPFlow {
        let isWanted = update {
            $0.state.head(id, head, now: HTTPTransfer.now(), epoch: Int64(time(nil)), &$1)
        }
        return isWanted ? .more : .stop
    }

    fileprivate func bytes(_ id: UInt64, _ bytes: UnsafeRawBufferPointer) -> HTTPFlow {
        update { $0.state.bytes(id, bytes, now: HTTPTransfer.now(), &$1) }
    }

    fileprivate func complete(_ id: UInt64, _ result: Result<Void, TransferError>) {
        update {
            $0.exchanges[id] = nil
            $0.state.complete(id, result, now: HTTPTransfer.now(), &$1)
        }
    }
}

/// Passes one request's answer on.
private final class RangeReceiver: HTTPReceiver {
    private let download: Download
    private let id: UInt64

    init(_ download: Download, _ id: UInt64) {
        self.download = download
        self.id = id
    }

    func receive(_ head: HTTPHead) -> HTTPFlow { download.head(id, head) }
    func receive(_ bytes: RawSpan) -> HTTPFlow { bytes.withUnsafeBytes { download.bytes(id, $0) } }
    func complete(_ result: Result<Void, TransferError>) { download.complete(id, result) }
}
