import Foundation
import Synchronization

/// Turns Ctrl-C, a polite kill and a lost terminal into a flag that the work looks at.
struct Interruption {
    /// True once the user asked to stop. May be asked from any thread.
    let isRequested: @Sendable () -> Bool = { interrupted.load(ordering: .relaxed) }

    init() {
        // Made before a signal can come: a handler must not be the first to touch it.
        interrupted.store(false, ordering: .relaxed)
        for number in [SIGINT, SIGTERM] + (Self.heedsHangup ? [SIGHUP] : []) {
            signal(number) { _ in interrupted.store(true, ordering: .relaxed) }
        }
    }

    /// Whether the end of the terminal is to end the program, too: not where it was started with `nohup`, which has the
    /// signal ignored.
    static let heedsHangup: Bool = {
        let isLeftToSystem = signal(SIGHUP, SIG_IGN) == nil
        if isLeftToSystem { signal(SIGHUP, SIG_DFL) }
        return isLeftToSystem
    }()

    /// Lets a write to a pipe whose reader has gone fail as any other write: who isn't heard needn't stop.
    static func outlivesReaders() { signal(SIGPIPE, SIG_IGN) }
}

/// The process's own: a signal handler captures nothing.
private let interrupted = Atomic(false)
