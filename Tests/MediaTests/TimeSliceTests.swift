import Foundation
import Testing

@testable import Media

@Suite("Time slices")
struct TimeSliceTests {
    @Test("A transcode that gives way lengthens the slice of its thread and of those it starts, and of no others")
    func inheritance() async {
        let usual = TimeSlice.current
        guard usual > 0 else { return print("this kernel doesn't tell a thread's slice: not tested") }
        let (own, started) = await withCheckedContinuation { continuation in
            Thread {
                TimeSlice.lengthen()
                let own = TimeSlice.current
                Thread { continuation.resume(returning: (own, TimeSlice.current)) }.start()
            }.start()
        }
        #expect(own == TimeSlice.long)
        #expect(started == TimeSlice.long)
        #expect(usual < TimeSlice.long && TimeSlice.current < TimeSlice.long)
    }
}
