import Foundation
import Testing

@testable import Media

struct RateCase: CustomTestStringConvertible, Sendable {
    var source: String
    /// The rates that the contract allows for it.
    var rates: [Double]
    var testDescription: String { source }
}

struct FrameRateTests {
    static let constant = [
        RateCase(source: "rate-23.976.mp4", rates: [24000.0 / 1001]),
        RateCase(source: "rate-24.mp4", rates: [24]),
        RateCase(source: "rate-25.mp4", rates: [25]),
        RateCase(source: "rate-29.97.mp4", rates: [30000.0 / 1001]),
        RateCase(source: "rate-50.mp4", rates: [50]),
        RateCase(source: "rate-59.94.mp4", rates: [60000.0 / 1001]),
        RateCase(source: "rate-60.mp4", rates: [60]),
        RateCase(source: "rate-90.mp4", rates: [45, 30]),
        RateCase(source: "rate-120.mp4", rates: [60]),
        RateCase(source: "rate-240.mp4", rates: [60]),
        RateCase(source: "rate-15.mp4", rates: [30]),
        RateCase(source: "rate-12.5.mp4", rates: [25]),
        RateCase(source: "rate-10.mp4", rates: [30]),
        RateCase(source: "rate-5.mp4", rates: [25, 30]),
        RateCase(source: "rate-1.mp4", rates: [23, 24, 25, 30]),
    ]
    static let variable = ["vfr-dropped.mp4", "vfr-jitter.mp4", "vfr-halved.mp4", "vfr-hold.mp4"]

    @Test(arguments: constant, [false, true])
    func `the rate is the source's own, or an exact multiple or divisor of it`(source: RateCase, forceEncode: Bool)
        throws
    {
        let outcome = try Engine.transcode(fixture: source.source, forceEncode: forceEncode)
        try expectConforming(outcome)
        let rate = try #require(try FFprobe.read(outcome.path).video).rate
        #expect(source.rates.contains { abs($0 - rate) < 0.001 }, "\(rate)")
    }

    @Test(arguments: constant, [false, true])
    func `a constant rate keeps sound and picture within 5 ms`(source: RateCase, forceEncode: Bool) throws {
        let outcome = try Engine.transcode(fixture: source.source, forceEncode: forceEncode)
        try #require(outcome.error == nil, "\(outcome.error.debugDescription)")
        let events = try SyncMeter(outcome.path).events
        #expect(events.count >= 3)
        for event in events { #expect(abs(event.offset) <= 0.005, "\(event)") }
    }

    @Test(arguments: variable)
    func `a variable rate becomes a constant one; each event is within half a frame and nothing drifts`(name: String)
        throws
    {
        let outcome = try Engine.transcode(fixture: name, forceEncode: true)
        try expectConforming(outcome)
        let rate = try #require(try FFprobe.read(outcome.path).video).rate
        let events = try SyncMeter(outcome.path).events
        #expect(events.count == 4)
        for event in events { #expect(abs(event.offset) <= 0.5 / rate + 0.001, "\(event)") }
        let mean = events.reduce(0) { $0 + $1.offset } / Double(max(events.count, 1))
        #expect(abs(mean) <= 0.005, "\(events)")
    }

    @Test(arguments: constant.map(\.source) + variable)
    func `each output frame shows the source's frame of its instant`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name, forceEncode: true)
        try #require(outcome.error == nil, "\(outcome.error.debugDescription)")
        let source = try SyncMeter(Fixture.path(name)).counts
        let output = try SyncMeter(outcome.path).counts
        let rate = try #require(try FFprobe.read(outcome.path).video).rate
        let half = 0.5 / rate
        for (time, number) in output {
            // The latest source frame that begins no later than half an output frame from here; near the border
            // both neighbours are right.
            let early = source.last { $0.time <= time + half - 0.002 } ?? source[0]
            let late = source.last { $0.time <= time + half + 0.002 } ?? source[0]
            #expect(
                [early.number, late.number].contains(number), "at \(time) s: \(number) instead of \(early.number)")
        }
        // Nothing that fits on the grid is lost.
        if rate * 1.02 > 1 / (zip(source.dropFirst(), source).map { $0.time - $1.time }.min() ?? 1) {
            let end = (output.last?.time ?? 0) + 0.5 / rate
            let missing = Set(source.filter { $0.time < end }.map(\.number)).subtracting(output.map(\.number))
            #expect(missing.isEmpty)
        }
    }

    @Test func `a variable rate that a phone writes may be copied, and stays in sync`() throws {
        let outcome = try Engine.transcode(fixture: "copy-variable-rate.mp4")
        try expectConforming(outcome)
        for event in try SyncMeter(outcome.path).events { #expect(abs(event.offset) <= 0.005, "\(event)") }
    }
}
