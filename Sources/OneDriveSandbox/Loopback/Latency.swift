import Synchronization

/// The time before each answer; may be changed while a server runs.
public final class Latency: Sendable {
    private let current: Mutex<Duration>

    /// Makes one; zero does not wait.
    public init(_ time: Duration = .zero) { current = Mutex(time) }

    /// What holds now.
    public var time: Duration {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }

    /// Waits for it.
    public func pass() async throws { try await Self.wait(time) }

    /// Waits without the tolerance that a sleep may have.
    public static func wait(_ time: Duration) async throws {
        if time > .zero { try await Task.sleep(for: time, tolerance: .zero) }
    }

    /// Waits so long at most: what is held is let go soon after `isHeld` has turned false.
    public static func wait(_ time: Duration, while isHeld: () -> Bool) async throws {
        let end = ContinuousClock.now + time
        while isHeld(), .now < end { try await wait(min(.milliseconds(20), end - .now)) }
    }
}
