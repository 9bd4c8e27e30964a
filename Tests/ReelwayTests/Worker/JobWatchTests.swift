import Media
import Synchronization
import Testing

@testable import reelway

struct JobWatchTests {
    @Test func `the first reason to stop counts, and wakes what blocks once`() {
        let watch = JobWatch()
        let woken = Mutex(0)
        watch.whenStopped { woken.withLock { $0 += 1 } }
        watch.stop(.stalled)
        watch.stop(.shutdown)
        #expect(watch.stop == .stalled)
        #expect(woken.withLock { $0 } == 1)
    }

    @Test func `what would block after a stop is woken at once`() {
        let watch = JobWatch()
        watch.stop(.leaseLost)
        let woken = Mutex(false)
        watch.whenStopped { woken.withLock { $0 = true } }
        #expect(woken.withLock { $0 })
    }

    @Test func `a byte that travels without the job's thread is a movement`() {
        let watch = JobWatch()
        let sent = Mutex(Int64(0))
        watch.count { sent.withLock { $0 } }
        let before = watch.movement
        #expect(watch.movement == before)
        sent.withLock { $0 = 1 }
        #expect(watch.movement != before)
    }

    @Test func `a job that waits its turn doesn't stand still`() {
        let watch = JobWatch()
        let before = watch.movement
        watch.waitsItsTurn()
        #expect(watch.movement != before)
    }
}
