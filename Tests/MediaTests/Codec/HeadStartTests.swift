import CFFmpeg
import Foundation
import Testing

@testable import Media

struct HeadStartTests {
    @Test(
        arguments: [
            "copy-1080p30-44.1k-b-frames.mp4", "container.ts", "hdr-hlg-tags-in-bitstream.mp4", "rate-1.mp4",
        ], [1, 2, 16, nil])
    func `a transcode that goes on from the first look decodes each packet once and gives the same bytes`(
        fixture: String, threads: Int?
    ) throws {
        let ahead = try encode(fixture, threads: threads, ahead: true)
        let afresh = try encode(fixture, threads: threads, ahead: false)
        #expect(ahead.packetsDecoded == ahead.packetsRead)
        #expect(ahead.damaged == 0)
        #expect(abs(ahead.end - ahead.expectedEnd) < 0.5 / ahead.rate)
        #expect(ahead.packets.count == Int((ahead.end * ahead.rate).rounded()))
        #expect(ahead.packets == afresh.packets)
    }

    @Test func `a transcode goes on with the first look's decoder, unless it wants another number of threads`() throws {
        let name = "copy-1080p30-44.1k-b-frames.mp4"
        for (looking, transcoding, isUsed) in [(2, 2, true), (nil, nil, true), (1, 2, false)] as [(Int?, Int?, Bool)] {
            let probe = try Probe(FileSource(path: Fixture.path(name)), threads: looking, isCancelled: { false })
            weak var decoder: Decoder?
            let video: VideoTrack
            do {
                let start = try #require(probe.takeHeadStart())
                decoder = start.decoder
                video = try track(try plan(probe), probe, start, threads: transcoding)
            }
            #expect((decoder != nil) == isUsed)
            withExtendedLifetime(video) {}
        }
    }

    @Test(arguments: [1, 2, nil])
    func `a copy's check goes on from the first look, and looks at each picture once`(threads: Int?) throws {
        var checked: [Int] = []
        for isAhead in [true, false] {
            let probe = try Probe(
                FileSource(path: Fixture.path("copy-720p30-48k.mp4")), threads: threads, isCancelled: { false })
            let start = try #require(probe.takeHeadStart())
            let video = try track(
                try Plan(probe.info, .reels, Transcode.Options()), probe, isAhead ? start : nil, threads: threads)
            while let packet = try probe.next() {
                if packet.streamIndex == probe.videoStream.index { try video.feed(packet) }
            }
            try video.finish(soundEnd: nil)
            let check = try #require(video.checked)
            #expect(check.damaged == 0)
            checked.append(check.packets)
        }
        #expect(checked[0] == checked[1] && checked[0] > 0)
    }

    @Test func `what was decoded is handed over once, and not at all where the decoder had to be drained`() throws {
        let probe = try Probe(
            FileSource(path: Fixture.path("copy-1080p30-44.1k-b-frames.mp4")), threads: 2, isCancelled: { false })
        let start = try #require(probe.takeHeadStart())
        #expect(!start.frames.isEmpty)
        #expect(start.decoder.packets >= start.frames.count)
        #expect(probe.takeHeadStart() == nil)
        // 16 threads give nothing before they have 16 packets.
        let short = try Probe(FileSource(path: Fixture.path("rate-1.mp4")), threads: 16, isCancelled: { false })
        #expect(short.takeHeadStart() == nil)
    }

    private struct Encoded {
        var packetsRead = 0
        var packetsDecoded = 0
        var damaged = 0
        /// In seconds, and pictures a second.
        var end = 0.0
        var expectedEnd = 0.0
        var rate = 0.0
        var packets: [Data] = []

        mutating func take(_ made: [Packet]) {
            packets += made.map { Data(bytes: $0.pointer.pointee.data, count: $0.size) }
        }
    }

    private func encode(_ fixture: String, threads: Int?, ahead: Bool) throws -> Encoded {
        let probe = try Probe(FileSource(path: Fixture.path(fixture)), threads: threads, isCancelled: { false })
        let start = probe.takeHeadStart()
        let plan = try plan(probe)
        guard case .encode(let settings, _) = plan.video else { throw NotEncoded() }
        let video = try track(plan, probe, ahead ? start : nil, threads: threads)
        var encoded = Encoded()
        encoded.rate = settings.frameRate.value
        encoded.expectedEnd = try #require(probe.info.video.end)
        while let packet = try probe.next() {
            guard packet.streamIndex == probe.videoStream.index else { continue }
            encoded.packetsRead += 1
            try video.feed(packet)
            encoded.take(video.takeReady())
        }
        try video.finish(soundEnd: nil)
        try video.waitForEncoder()
        encoded.take(video.takeReady())
        encoded.end = video.end
        (encoded.packetsDecoded, encoded.damaged) = video.damage
        return encoded
    }

    private struct NotEncoded: Error {}

    private func plan(_ probe: Probe) throws -> Plan {
        var options = Transcode.Options()
        options.forceEncode = true
        return try Plan(probe.info, .reels, options)
    }

    private func track(_ plan: Plan, _ probe: Probe, _ start: HeadStart?, threads: Int?) throws -> VideoTrack {
        let muxer = try Muxer(to: FaststartSink(MemorySink(), reservedPrefix: 0, duration: nil, isEncoded: true))
        return try VideoTrack(plan, probe, start, threads: threads, muxer: muxer, isCancelled: { false })
    }
}
