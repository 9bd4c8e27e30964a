import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Testing

/// Timed: these run one after another.
@Suite(.serialized) struct TrafficTests {
    @Test(arguments: [0.5e6, 2e6])
    func `a connection gets its bandwidth within a tenth`(rate: Double) async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setBandwidth(perConnection: rate)
            let seconds = try await quietest {
                try await measure(drive) {
                    let answer = try await Curl.run(drive.url)
                    #expect(answer.body.count == Drive.bytes.count)
                }
            }
            let expected = Double(Drive.size) / rate
            #expect(abs(seconds - expected) < expected / 10)
        }
    }

    @Test func `connections add up to the total`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setBandwidth(perConnection: 1.5e6, total: 2e6)
            let seconds = try await quietest {
                try await measure(drive) {
                    async let first = Curl.run(drive.url)
                    async let second = Curl.run(drive.url)
                    _ = try await (first, second)
                }
            }
            #expect(abs(seconds - 1) < 0.1)
        }
    }

    @Test func `two connections are twice as fast as one where each is limited`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setBandwidth(perConnection: 1e6)
            let seconds = try await quietest {
                try await measure(drive) {
                    async let first = Curl.run(drive.url, "-r", "0-499999")
                    async let second = Curl.run(drive.url, "-r", "500000-")
                    let halves = try await first.body + second.body
                    #expect(halves == Drive.bytes)
                }
            }
            #expect(seconds < 0.75)
        }
    }

    @Test func `each answer waits for the latency`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setLatency(.milliseconds(150))
            #expect(try await Curl.run(drive.url, "-r", "0-0").seconds > 0.15)
            drive.sandbox.setLatency(.zero)
            let without = try await quietest { try await Curl.run(drive.url, "-r", "0-0").seconds }
            #expect(without < 0.15)
        }
    }

    @Test func `stopping ends a stalled download and leaves no connection`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([Fault(.stall(at: 1000, seconds: 60))])
            async let answer = Curl.run(drive.url)
            _ = try await drive.sandbox.firstRequest { $0.bytesSent == 1000 }
            #expect(drive.sandbox.openConnections == 1)
            let start = ContinuousClock.now
            await drive.sandbox.stop()
            #expect(.now - start < .seconds(1))
            #expect(try await answer.exit != 0)
            #expect(drive.sandbox.openConnections == 0)
        }
    }

    /// Seconds from the first request's arrival to the last one's end, without curl's own start.
    private func measure(_ drive: Drive, _ download: () async throws -> Void) async throws -> Double {
        drive.sandbox.clearRequests()
        try await download()
        let requests = drive.sandbox.downloadRequests
        guard let first = requests.map(\.arrived).min(), let last = requests.compactMap(\.finished).max() else {
            return .infinity
        }
        return (last - first) / .seconds(1)
    }
}
