import Foundation

/// Runs what blocks on a thread of its own: Swift's cooperative threads are as few as the cores, and the servers of the
/// tests run on them.
func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}
