internal import Foundation

/// One request to a store, made again until it is answered for good: signed anew, after a pause, as often as the
/// policy allows.
struct StoreExchange: Sendable {
    let client: HTTPClient
    let policy: RetryPolicy
    /// Names the store in messages.
    let store: String
    /// Set where something is under way that would be lost if a rest that the store asks for weren't waited for.
    var rest: StoreRest?

    /// What an exchange ended with, and whether a failed try before may have taken effect all the same.
    struct Outcome<Value> {
        let result: Result<Value, StorageFailure>
        let wasUncertain: Bool

        func get(_ store: String) throws(TransferError) -> Value {
            do { return try result.get() } catch { throw error.error(store) }
        }
    }

    /// - Parameters:
    ///   - request: makes the request of each try.
    ///   - read: takes the value out of an answer, or says what the answer refuses.
    func perform<Value>(
        isCancelled: @escaping @Sendable () -> Bool, _ request: () -> HTTPRequest,
        read: (HTTPResponse) throws(StorageFailure) -> Value
    ) throws(TransferError) -> Outcome<Value> {
        var wasUncertain = false
        var failures = StoreFailures()
        while true {
            if isCancelled() { throw StoreExchange.cancelled }
            let failure: StorageFailure
            do {
                let response = try client.send(request(), isCancelled: isCancelled)
                do {
                    return Outcome(result: .success(try read(response)), wasUncertain: wasUncertain)
                } catch let refusal {
                    failure = refusal
                }
            } catch let error {
                if error.code == .cancelled { throw error }
                failure = StorageFailure(transport: error)
            }
            wasUncertain = wasUncertain || failure.isUncertain
            guard let pause = failures.pause(after: failure, policy, rest) else {
                return Outcome(result: .failure(failure), wasUncertain: wasUncertain)
            }
            StoreExchange.sleep(pause, isCancelled)
        }
    }

    static let cancelled = TransferError(.cancelled, "the upload was cancelled")

    /// Sleeps, and wakes up when cancelled.
    static func sleep(_ seconds: Double, _ isCancelled: () -> Bool) {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end, !isCancelled() { Thread.sleep(forTimeInterval: min(0.05, seconds)) }
    }
}
