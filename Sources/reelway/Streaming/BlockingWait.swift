import Dispatch
import Synchronization

/// Lets a thread that may block wait for a task's answer. Never for Swift's cooperative threads.
final class BlockingWait<Value: Sendable>: Sendable {
    private let answer = Mutex<Result<Value, any Error>?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    private init() {}

    /// Returns what `body` returns, or throws what it throws. Once `isCancelled`, the task is cancelled.
    static func result(
        isCancelled: @Sendable () -> Bool = { false }, of body: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let wait = BlockingWait()
        let task = Task {
            let result: Result<Value, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            wait.answer.withLock { $0 = result }
            wait.isThere.signal()
        }
        while wait.isThere.wait(timeout: .now() + .milliseconds(100)) == .timedOut {
            if isCancelled() { task.cancel() }
        }
        guard let result = wait.answer.withLock({ $0 }) else {
            throw Failure(.internal, "a task ended without an answer")
        }
        return try result.get()
    }
}
