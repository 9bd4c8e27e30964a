@testable import LoopbackHTTP
import Testing

struct PacerTests {
    @Test func `bytes go through one after another at the rate`() {
        let start = ContinuousClock.now + .seconds(1)
        let pacer = Pacer()
        #expect(pacer.reserve(500, bytesPerSecond: 1000, continuing: false, now: start) == start + .milliseconds(500))
        #expect(pacer.reserve(250, bytesPerSecond: 1000, continuing: true, now: start) == start + .milliseconds(750))
    }

    @Test func `an idle line saves nothing, a late one catches up 200 ms at most`() {
        let start = ContinuousClock.now + .seconds(1)
        let pacer = Pacer()
        func reserve(_ continuing: Bool, at milliseconds: Int) -> Duration {
            pacer.reserve(100, bytesPerSecond: 1000, continuing: continuing, now: start + .milliseconds(milliseconds))
                - start
        }
        #expect(reserve(false, at: 0) == .milliseconds(100))
        #expect(reserve(true, at: 250) == .milliseconds(200))
        #expect(reserve(true, at: 9000) == .milliseconds(8900))
        #expect(reserve(false, at: 20000) == .milliseconds(20100))
    }

    @Test func `the step follows the slowest limit`() {
        #expect(Throttle().step == 256 << 10)
        #expect(Throttle(.init(perConnection: 2e6)).step == 20_000)
        #expect(Throttle(.init(perConnection: 2e6, total: 1e6)).step == 10_000)
        #expect(Throttle(.init(total: 10)).step == 1024)
    }
}
