internal import Crypto
internal import Dispatch
internal import Synchronization

/// SHA-256 of a stored object, computed while it is fetched; nothing of it is kept.
final class ObjectHash: HTTPReceiver {
    private struct State {
        var status = 0
        var hash = SHA256()
        var count: Int64 = 0
        var result: Result<Void, TransferError>?
    }
    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)
    private let onBytes: @Sendable (Int) -> Void

    private init(_ onBytes: @escaping @Sendable (Int) -> Void) { self.onBytes = onBytes }

    /// Fetches an object of `bytes` bytes, again from the start if that breaks. `onBytes` hears of each piece.
    static func sha256(
        of key: String, bytes: Int64, _ client: S3Client, _ isCancelled: @escaping @Sendable () -> Bool,
        onBytes: @escaping @Sendable (Int) -> Void
    ) throws -> String {
        var failures = StoreFailures()
        while true {
            let failure: StorageFailure
            switch fetch(key, bytes, client, isCancelled, onBytes) {
            case .success(let hash): return hash
            case .failure(let found): failure = found
            }
            if isCancelled() { throw StoreExchange.cancelled }
            guard let pause = failures.pause(after: failure, client.exchange.policy, client.exchange.rest) else {
                throw failure.error(client.exchange.store)
            }
            StoreExchange.sleep(pause, isCancelled)
        }
    }

    private static func fetch(
        _ key: String, _ bytes: Int64, _ client: S3Client, _ isCancelled: @escaping @Sendable () -> Bool,
        _ onBytes: @escaping @Sendable (Int) -> Void
    ) -> Result<String, StorageFailure> {
        let receiver = ObjectHash(onBytes)
        let request = client.signed(HTTPRequest("GET", client.address.object(key)))
        let exchange = client.exchange.client.start(request, receiver: receiver)
        while receiver.ended.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            if isCancelled() { exchange.cancel() }
        }
        return receiver.state.withLock { state in
            if case .failure(let error)? = state.result { return .failure(StorageFailure(transport: error)) }
            guard state.status == 200 else { return .failure(StorageFailure(status: state.status, reason: "")) }
            guard state.count == bytes else { return .failure(StorageFailure(wrongChecksum: "the object")) }
            return .success(Hexadecimal.string(state.hash.finalize()))
        }
    }

    func receive(_ head: HTTPHead) -> HTTPFlow {
        state.withLock { $0.status = head.status }
        return .more
    }

    func receive(_ bytes: RawSpan) -> HTTPFlow {
        state.withLock { state in
            state.count += Int64(bytes.byteCount)
            bytes.withUnsafeBytes { state.hash.update(bufferPointer: $0) }
        }
        onBytes(bytes.byteCount)
        return .more
    }

    func complete(_ result: Result<Void, TransferError>) {
        state.withLock { $0.result = result }
        ended.signal()
    }
}
