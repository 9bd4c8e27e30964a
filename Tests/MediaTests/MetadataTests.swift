import Foundation
import Testing

@testable import Media

struct MetadataTests {
    @Test(arguments: Fixture.names("track-"), [false, true])
    func `nothing of place, device or text reaches the output`(name: String, forceEncode: Bool) throws {
        let outcome = try Engine.transcode(fixture: name, forceEncode: forceEncode)
        try expectConforming(outcome)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: outcome.path))
        for secret in ["Secret", "+37.3349", "37.3349", "ISO6709", "\u{A9}xyz", "com.apple", "Core Media"] {
            let latin = Data(secret.unicodeScalars.map { UInt8($0.value & 0xFF) })
            #expect(bytes.range(of: latin) == nil, "holds \(secret)")
        }
        let probe = try FFprobe.read(outcome.path)
        let tags = (probe.format?.tags ?? [:]).merging(
            probe.streams.reduce(into: [:]) { $0.merge($1.tags ?? [:]) { $1 } }
        ) { $1 }
        for (key, value) in tags {
            let plain = [
                "major_brand", "minor_version", "compatible_brands", "language", "handler_name", "vendor_id", "encoder",
            ]
            #expect(plain.contains(key), "\(key) = \(value)")
        }
        #expect(probe.streams.count == 2)
    }

    @Test(arguments: ["copy-720p30-48k.mp4", "copy-untagged.mp4", "copy-from-ts.ts", "copy-from-mkv.mkv"])
    func `what a camera writes into the bitstream of itself and of the place doesn't come along either`(name: String)
        throws
    {
        // x264's note of its settings, which tells of neither, becomes what AVCHD's cameras write.
        let clean = try Fixture.bytes(name)
        let note: [UInt8] = [0xDC, 0x45, 0xE9, 0xBD, 0xE6, 0xD9, 0x48, 0xB7]
        let start = try #require(clean.indices.first { clean[$0...].starts(with: note) })
        var tagged = clean
        tagged.replaceSubrange(start..<(start + 8), with: [0x17, 0xEE, 0x8C, 0x60, 0xF8, 0x4D, 0x11, 0xD9])
        for (bytes, stays) in [(clean, true), (tagged, false)] {
            let outcome = try Engine.run(Engine.store(bytes, as: name), .quick())
            try expectConforming(outcome)
            #expect(outcome.isCopied, "\(outcome.video?.reasons ?? [])")
            let written = try Data(contentsOf: URL(fileURLWithPath: outcome.path))
            #expect((written.range(of: Data("x264 - core".utf8)) != nil) == stays)
        }
    }

    @Test func `the sources do hold what must not leak`() throws {
        for name in Fixture.names("track-gps") {
            let tags = try FFprobe.read(Fixture.path(name)).format?.tags ?? [:]
            #expect(tags.values.contains { $0.contains("Secret") }, "\(name): \(tags)")
        }
    }

    @Test(arguments: ["track-timecode.mov", "track-timed-metadata.mp4", "track-subtitles.mp4", "track-cover.mp4"])
    func `dropped tracks are reported`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        let skipped = outcome.report?.input?.skippedTracks ?? []
        #expect(skipped.count == 1 && skipped.allSatisfy { !$0.reason.isEmpty && !$0.kind.isEmpty }, "\(skipped)")
    }

    @Test func `a depth map is not taken for the picture, however large it is`() throws {
        let bytes = try MovieClips.make(
            ["-i", Fixture.path("size-2560x1440.mp4"), "-i", Fixture.path("sync-30fps.mp4")]
                + ["-map", "0:v", "-map", "1:v", "-map", "1:a", "-c", "copy"])
        // The first track's handler: "auxv".
        let depth = try bytes.patched("hdlr", at: 8, 0x6175_7876)
        let (_, report, error) = try Engine.run(MemorySource(depth, name: "cinematic.mov"))
        #expect(error == nil)
        #expect(report?.output?.width == 320)
        #expect(report?.input?.skippedTracks.count == 1)
    }

    @Test(arguments: ["track-two-videos.mp4", "track-cover-first.mkv"])
    func `the best picture is chosen, not the first`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        let video = try FFprobe.read(outcome.path).video
        #expect([video?.width, video?.height] == [320, 180])
        for event in try SyncMeter(outcome.path).events { #expect(abs(event.offset) <= 0.005, "\(event)") }
    }

    @Test(arguments: ["hdr-hlg.mp4", "turn-90.mp4", "vfr-jitter.mp4", "audio-5.1.mp4"])
    func `the report tells the source as ffprobe sees it`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        let input = try #require(outcome.report?.input)
        let probe = try FFprobe.read(Fixture.path(name))
        let (video, judged) = (try #require(input.video), try #require(probe.video))
        #expect(video.codec == judged.codecName && video.pixelFormat == judged.pixFmt)
        #expect(video.width == judged.width && video.height == judged.height)
        #expect(video.transfer == judged.colorTransfer && video.matrix == judged.colorSpace)
        #expect(abs(video.frameRate - judged.rate) < 0.5)
        #expect(video.rotation == (name == "turn-90.mp4" ? 90 : 0))
        #expect(video.variableFrameRate == (name == "vfr-jitter.mp4"))
        #expect(video.hdr == (name == "hdr-hlg.mp4"))
        #expect(input.audio?.channels == probe.audio?.channels)
        #expect(input.audio?.sampleRate == probe.audio.flatMap { Int($0.sampleRate ?? "") })
        #expect(abs((input.durationSeconds ?? 0) - probe.duration) < 0.05)
        #expect(input.bytes == Int64(try Fixture.bytes(name).count))
    }

    @Test(arguments: ["copy-720p30-48k.mp4", "hdr-hlg.mp4", "audio-5.1.mp4", "turn-90.mp4"])
    func `inspection says what a transcode then does`(name: String) throws {
        let inspection = try Inspection(FileSource(path: Fixture.path(name)), options: .quick())
        let outcome = try Engine.transcode(fixture: name)
        #expect(inspection.plan == outcome.report?.plan)
        #expect(inspection.input?.video == outcome.report?.input?.video)
        #expect(inspection.error == nil)
    }
}
