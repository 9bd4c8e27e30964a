import Foundation
import Testing

@testable import Media

/// A flash-and-beep clip and where its events must be.
struct SyncCase: CustomTestStringConvertible, Sendable {
    var name: String
    /// How many events both tracks show.
    var events = 4
    /// The first event's time where the contract leaves no choice.
    var first: Double?
    /// Seconds between events.
    var steps: [Double] = [1, 1, 1]
    /// How late the source itself has the sound.
    var lag = 0.0

    var testDescription: String { name }
}

struct SyncTests {
    static let cases = [
        SyncCase(name: "sync-30fps.mp4", first: 0.5),
        SyncCase(name: "sync-44100.mp4", first: 0.5),
        SyncCase(name: "sync-b-frames.mp4", first: 0.5),
        SyncCase(name: "sync-b-frames.ts"),
        SyncCase(name: "sync-video-late.mp4"),
        SyncCase(name: "sync-video-late.mkv"),
        SyncCase(name: "sync-audio-late.mp4", events: 3, steps: [1, 1]),
        SyncCase(name: "sync-audio-late.mkv", events: 3, steps: [1, 1]),
        SyncCase(name: "sync-audio-early.ts"),
        SyncCase(name: "sync-audio-longer.mp4", events: 3, first: 0.5, steps: [1, 1]),
        SyncCase(name: "sync-audio-shorter.mp4", events: 3, first: 0.5, steps: [1, 1]),
        SyncCase(name: "sync-start-at-10s.ts"),
        SyncCase(name: "sync-wrap.ts"),
        SyncCase(name: "sync-edit-trim-at-frame.mp4", first: 0.3),
        SyncCase(name: "sync-edit-trim-inside-frame.mp4", first: 0.285),
        SyncCase(name: "sync-edit-trim-end.mp4", events: 3, first: 0.5, steps: [1, 1]),
        SyncCase(name: "sync-edit-segments.mp4", first: 0.3, steps: [1, 0.5, 1]),
        SyncCase(name: "sync-edit-empty.mp4"),
        SyncCase(name: "copy-edit-list-at-key-frame.mp4", first: 0.5),
        SyncCase(name: "copy-edit-list-inside-gop.mp4", first: 0.2),
        SyncCase(name: "sync-edit-empty-audio.mp4", first: 0.5),
        SyncCase(name: "sync-edit-none.mp4", first: 0.5, lag: 1024 / 48000),
        SyncCase(name: "container-fragmented.mp4"),
        SyncCase(name: "container.mkv"),
        SyncCase(name: "container.ts"),
        SyncCase(name: "container.avi"),
        SyncCase(name: "container-mjpeg.avi"),
        // libavformat 5.1 shifts the picture by Opus' pre-skip, but not the sound.
        SyncCase(name: "container.webm", lag: -0.0065),
        SyncCase(name: "container.flv"),
        SyncCase(name: "container.mpg"),
        SyncCase(name: "container-prores.mov", first: 0.5),
    ]

    @Test func `the meter itself is right to a millisecond on clips whose events are known`() throws {
        for name in ["sync-30fps.mp4", "sync-44100.mp4", "container-prores.mov"] {
            let events = try SyncMeter(Fixture.path(name)).events
            #expect(events.count == 4)
            for (event, time) in zip(events, [0.5, 1.5, 2.5, 3.5]) {
                #expect(abs(event.picture - time) < 0.0005 && abs(event.offset) < 0.001, "\(name): \(event)")
            }
        }
        for source in Self.cases where !source.name.contains("edit-") {
            let events = try SyncMeter(Fixture.path(source.name)).events
            #expect(events.count == source.events, "\(source.name): \(events)")
            for event in events { #expect(abs(event.offset - source.lag) < 0.001, "\(source.name): \(event)") }
        }
        // And it sees what is not in sync.
        let late = try SyncMeter(Fixture.path("sync-edit-none.mp4")).events
        #expect(late.allSatisfy { abs($0.offset - 1024.0 / 48000) < 0.001 }, "\(late)")
    }

    @Test(arguments: cases, [false, true])
    func `a flash and its beep stay within 5 ms from first to last event`(source: SyncCase, forceEncode: Bool) throws {
        let outcome = try Engine.transcode(fixture: source.name, forceEncode: forceEncode)
        try #require(outcome.error == nil, "\(outcome.error.debugDescription)")
        let meter = try SyncMeter(outcome.path)
        try #require(meter.events.count == source.events, "flashes \(meter.flashes), beeps \(meter.beeps)")
        for event in meter.events {
            #expect(abs(event.offset - source.lag) <= 0.005, "\(event)")
        }
        let pictures = meter.events.map(\.picture)
        for (step, wanted) in zip(zip(pictures.dropFirst(), pictures).map(-), source.steps) {
            #expect(abs(step - wanted) < 0.001, "\(meter.events)")
        }
        if let first = source.first {
            // An edit may begin inside a frame; then the grid decides which of the two frames is the first.
            #expect(abs(pictures[0] - first) <= 0.5 / 30 + 0.001, "\(pictures[0])")
        }
    }

    @Test(arguments: [false, true])
    func `what an edit list hides stays hidden, what it shows is there`(forceEncode: Bool) throws {
        for (name, seconds) in [
            ("sync-edit-trim-at-frame.mp4", 3.8), ("sync-edit-trim-inside-frame.mp4", 3.785),
            ("sync-edit-trim-end.mp4", 3.3), ("sync-edit-segments.mp4", 3.3),
        ] {
            let outcome = try Engine.transcode(fixture: name, forceEncode: forceEncode)
            try #require(outcome.error == nil, "\(outcome.error.debugDescription)")
            let probe = try FFprobe.read(outcome.path)
            #expect(
                abs((probe.video?.seconds ?? 0) - seconds) <= 1.0 / 30 + 0.001, "\(name): \(probe.video?.seconds ?? 0)")
        }
    }

    @Test(arguments: cases, [false, true])
    func `each flash-and-beep clip becomes a conforming file`(source: SyncCase, forceEncode: Bool) throws {
        try expectConforming(try Engine.transcode(fixture: source.name, forceEncode: forceEncode))
    }
}
