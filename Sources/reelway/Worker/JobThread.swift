import Foundation

/// Runs work that blocks on a thread of its own, so that Swift's cooperative threads stay free.
enum JobThread {
    /// Returns what `work` returns, or throws what it throws. It is not interrupted by the task's cancellation: `work`
    /// has to be told by other means.
    static func run<Value: Sendable>(
        named name: String, _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Thread { continuation.resume(with: Result(catching: work)) }
            thread.name = name
            // Deep filter graphs and codecs need more than the half MiB a secondary thread gets elsewhere.
            thread.stackSize = 8 << 20
            thread.start()
        }
    }
}
