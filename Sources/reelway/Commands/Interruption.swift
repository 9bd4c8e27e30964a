import Foundation
import Synchronization

/// Turns Ctrl-C and a polite kill into a flag that the work looks at.
struct Interruption {
    /// True once the user asked to stop. May be asked from any thread.
    let isRequested: @Sendable () -> Bool = { interrupted.load(ordering: .relaxed) }

    init() {
        // Made before a signal can come: a handler must not be the first to touch it.
        interrupted.store(false, ordering: .relaxed)
        for number in [SIGINT, SIGTERM] { signal(number) { _ in interrupted.store(true, ordering: .relaxed) } }
    }
}

/// The process's own: a signal handler captures nothing.
private let interrupted = Atomic(false)
