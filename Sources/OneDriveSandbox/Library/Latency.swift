import Synchronization

/// The time before each answer; may be changed while the sandbox runs.
final class Latency: Sendable {
    private let current: Mutex<Duration>

    init(_ time: Duration) { current = Mutex(time) }

    var time: Duration {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    func pass() async throws { try await Self.wait(time) }

    static func wait(_ time: Duration) async throws {
        if time > .zero { try await Task.sleep(for: time, tolerance: .zero) }
    }
}
