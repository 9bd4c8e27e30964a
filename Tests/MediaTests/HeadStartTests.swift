import Testing

@testable import Media

@Suite("Head start")
struct HeadStartTests {
    @Test(
        "A transcode decodes each packet once, those of the first look too",
        arguments: [
            "copy-1080p30-44.1k-b-frames.mp4", "container.ts", "hdr-hlg-tags-in-bitstream.mp4", "rate-1.mp4",
        ], [1, 2, 16, nil])
    func once(fixture: String, threads: Int?) throws {
        let source = try FileSource(path: Fixture.path(fixture))
        let probe = try Probe(source, threads: threads, isCancelled: { false })
        var options = Transcode.Options()
        options.forceEncode = true
        let plan = try Plan(probe.info, .reels, options)
        guard case .encode(let settings, _) = plan.video else { throw NotEncoded() }
        let muxer = try Muxer(to: FaststartSink(MemorySink(), reservedPrefix: 0))
        let video = try VideoTrack(plan, probe, threads: threads, muxer: muxer, isCancelled: { false })
        var packets = 0
        var made = 0
        while let packet = try probe.next() {
            guard packet.streamIndex == probe.videoStream.index else { continue }
            packets += 1
            try video.feed(packet)
            made += video.takeReady().count
        }
        try video.finish(soundEnd: nil)
        try video.drain()
        made += video.takeReady().count
        #expect(video.damage.packets == packets)
        #expect(video.damage.damaged == 0)
        let end = try #require(probe.info.video.end)
        #expect(abs(video.end - end) < 0.5 / settings.frameRate.value)
        #expect(made == Int((video.end * settings.frameRate.value).rounded()))
    }

    private struct NotEncoded: Error {}

    @Test("What was decoded is handed over once, and not at all where the decoder had to be drained")
    func handedOver() throws {
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
}
