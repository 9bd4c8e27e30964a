/// Runs an operation that is given up when the time is over, and returns `nil` then.
///
/// The operation has to heed cancellation: its end is waited for.
func within<Value: Sendable>(
    _ time: Duration, _ operation: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            try await Task.sleep(for: time)
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}
