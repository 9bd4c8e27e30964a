import Foundation
import Synchronization
import Testing

@testable import Media

struct TimeSliceTests {
    /// The slices of a transcode's own thread and of one that it starts, and its thread's from before.
    private static func slices(givesWay: Bool) async throws -> (before: UInt64, during: UInt64, started: UInt64) {
        try await withCheckedThrowingContinuation { continuation in
            Thread {
                let seen = Mutex((during: UInt64(0), started: UInt64(0)))
                let before = TimeSlice.current
                let result = Result {
                    var options = Transcode.Options()
                    options.givesWay = givesWay
                    let source = try FileSource(path: Fixture.path("copy-no-audio.mp4"))
                    _ = try Transcode(from: source, to: MemorySink(), options: options) { _ in
                        let started = DispatchSemaphore(value: 0)
                        Thread {
                            seen.withLock { $0.started = TimeSlice.current }
                            started.signal()
                        }.start()
                        started.wait()
                        seen.withLock { $0.during = TimeSlice.current }
                    }.run()
                    return seen.withLock { (before: before, during: $0.during, started: $0.started) }
                }
                continuation.resume(with: result)
            }.start()
        }
    }

    @Test(.enabled(if: TimeSlice.current > 0, "this kernel doesn't tell a thread's slice"))
    func `a transcode that gives way lengthens the slice of its thread and of those it starts, and of no others`()
        async throws
    {
        let usual = TimeSlice.current
        let giving = try await Self.slices(givesWay: true)
        #expect(giving.before == usual && giving.during == TimeSlice.long && giving.started == TimeSlice.long)
        let keeping = try await Self.slices(givesWay: false)
        #expect(keeping.before == usual && keeping.during == usual && keeping.started == usual)
        #expect(usual < TimeSlice.long && TimeSlice.current == usual)
    }
}
