import CPostgres
import Glibc
import Synchronization

/// Ends the wait of one connection's thread from another thread: a descriptor that poll(2) watches beside the socket.
final class Wake: Sendable {
    /// Readable after `signal` until `clear`; -1 where the process has no descriptor left, and waits are just not woken.
    let descriptor: Int32

    init() { descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}

/// One caller's wish to stop waiting. Its own object for each call, so that a late cancel never meets the next caller.
final class Cancellation: Sendable {
    private let flag = Atomic(false)

    var isCancelled: Bool { flag.load(ordering: .acquiring) }

    func cancel() { flag.store(true, ordering: .releasing) }
}

/// How long a call may wait, and for whom.
struct Patience: Sendable {
    let deadline: ContinuousClock.Instant
    let cancellation: Cancellation
    let wake: Wake

    /// The same caller with no more time than this.
    func within(_ duration: Duration) -> Patience { until(.now + duration) }

    /// The same caller until this instant at most.
    func until(_ instant: ContinuousClock.Instant) -> Patience {
        Patience(deadline: min(deadline, instant), cancellation: cancellation, wake: wake)
    }

    /// A caller that can't be interrupted and waits no longer than this.
    func uninterrupted(for duration: Duration) -> Patience {
        Patience(deadline: .now + duration, cancellation: Cancellation(), wake: wake)
    }

    /// Why a wait ended without what it waited for.
    enum End: Error {
        case deadline
        case cancelled
    }

    /// Blocks until a socket is ready for one of `events`, or without a socket until the time is over.
    func wait(for socket: Int32 = -1, _ events: Int32 = 0) throws(End) {
        while true {
            if cancellation.isCancelled { throw .cancelled }
            let left = deadline - .now
            if left <= .zero { throw .deadline }
            // poll(2) leaves out negative descriptors. Rounded up, so that the last turn isn't a spin.
            let milliseconds = Int32(min(left / .milliseconds(1), 60_000)) + 1
            var watched = [
                pollfd(fd: socket, events: Int16(events), revents: 0),
                pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&watched, nfds_t(watched.count), milliseconds) > 0 else { continue }
            if watched[1].revents != 0 { wake.clear() }
            // An error or a hang-up counts as ready: the call that follows reports it.
            if watched[0].revents != 0 { return }
        }
    }
}
