import Media
import Synchronization

/// What the thread that does a video and the task that looks after it tell each other.
///
/// The thread reports how far it is; the task asks whether anything moved, and stops the thread.
final class JobWatch: Sendable {
    /// Why a job was stopped from outside.
    enum Stop: Sendable, Equatable {
        /// The row no longer belongs to this worker: cancelled, reset, deleted or claimed by another.
        case leaseLost
        /// Nothing moved for too long.
        case stalled
        /// The program ends.
        case shutdown
    }

    private struct State {
        var progress: Media.Progress?
        var stop: Stop?
        var stopActions: [@Sendable () -> Void] = []
        var counters: [@Sendable () -> Int64] = []
        var waits = 0
    }

    private let state = Mutex(State())

    /// Called by the job's thread.
    func report(_ progress: Media.Progress) { state.withLock { $0.progress = progress } }

    /// The last report.
    var progress: Media.Progress? { state.withLock(\.progress) }

    /// Why the job has to end; `nil` while it may go on.
    var stop: Stop? { state.withLock(\.stop) }

    /// Ends the job; the first reason counts. Wakes what blocks.
    func stop(_ reason: Stop) {
        let actions = state.withLock { state in
            if state.stop == nil { state.stop = reason }
            defer { state.stopActions = [] }
            return state.stopActions
        }
        for action in actions { action() }
    }

    /// Has `action` wake the job's thread where it may block. Runs at once if the job has been stopped already.
    func whenStopped(_ action: @escaping @Sendable () -> Void) {
        let isStopped = state.withLock { state in
            if state.stop == nil { state.stopActions.append(action) }
            return state.stop != nil
        }
        if isStopped { action() }
    }

    /// Adds what goes on without the job's thread to what counts as a movement: bytes that travel, and time that a
    /// service wants to be left alone.
    func count(_ count: @escaping @Sendable () -> Int64) { state.withLock { $0.counters.append(count) } }

    /// Says that the job's thread waits for something that ends by itself: that is no standstill.
    func waitsItsTurn() { state.withLock { $0.waits += 1 } }

    /// Lets go of what the job has given it, which may hold this in turn. To be called when the thread has ended or
    /// is left behind.
    func letGo() {
        state.withLock { state in
            state.stopActions = []
            state.counters = []
        }
    }

    /// Changes whenever a byte or a frame moved, or the job waits its turn.
    var movement: Movement {
        let (progress, counters, waits) = state.withLock { ($0.progress, $0.counters, $0.waits) }
        return Movement(
            stage: progress?.stage, fraction: progress?.progress ?? 0,
            bytes: counters.reduce((progress?.bytesIn ?? 0) &+ (progress?.bytesOut ?? 0)) { $0 &+ $1() }, waits: waits)
    }

    /// How far a job is, to be compared with how far it was.
    struct Movement: Equatable, Sendable {
        let stage: Media.Progress.Stage?
        let fraction: Double
        let bytes: Int64
        let waits: Int
    }
}
