import Foundation
import Testing

@testable import Media

struct CopyCase: CustomTestStringConvertible, Sendable {
    var name: String
    var video = "copy"
    var audio = "copy"
    /// How late the source itself has the sound.
    var lag = 0.0
    var testDescription: String { name }
}

@Suite("Copying")
struct CopyTests {
    static let cases = [
        CopyCase(name: "copy-720p30-48k.mp4"),
        CopyCase(name: "copy-1080p30-44.1k-b-frames.mp4"),
        CopyCase(name: "copy-no-edit-list.mp4", lag: 1024 / 48000),
        CopyCase(name: "copy-untagged.mp4"),
        CopyCase(name: "copy-mono.mp4"),
        CopyCase(name: "copy-stereo-128k.mp4"),
        CopyCase(name: "copy-59.94.mp4"),
        CopyCase(name: "copy-main-profile.mp4"),
        CopyCase(name: "copy-baseline-profile.mp4"),
        CopyCase(name: "copy-key-frames-8s-apart.mp4"),
        CopyCase(name: "copy-variable-rate.mp4"),
        CopyCase(name: "copy-rotated.mp4"),
        CopyCase(name: "copy-no-audio.mp4", audio: "none"),
        CopyCase(name: "copy-video-alone.mp4", audio: "encode"),
        CopyCase(name: "copy-audio-alone.mp4", video: "encode"),
        CopyCase(name: "nocopy-audio-256k.mp4", audio: "encode"),
        CopyCase(name: "copy-edit-list-inside-gop.mp4", video: "encode"),
        CopyCase(name: "nocopy-key-frames-12s-apart.mp4", video: "encode"),
        CopyCase(name: "nocopy-open-gop.mp4", video: "encode"),
        CopyCase(name: "nocopy-high10.mp4", video: "encode"),
        CopyCase(name: "nocopy-hevc.mp4", video: "encode"),
        CopyCase(name: "nocopy-full-range.mp4", video: "encode"),
    ]

    @Test("A stream is copied where it conforms, encoded where it doesn't, and each has its reasons", arguments: cases)
    func action(source: CopyCase) throws {
        try KnownGaps.allow(source.name) {
            let outcome = try Engine.transcode(fixture: source.name)
            try expectConforming(outcome, minimumSeconds: 1.9)
            #expect(outcome.video?.action == source.video, "\(outcome.video?.reasons ?? [])")
            #expect(outcome.audio?.action == source.audio, "\(outcome.audio?.reasons ?? [])")
            if source.video == "encode" { #expect(outcome.video?.reasons.isEmpty == false) }
            if source.audio == "encode" { #expect(outcome.audio?.reasons.isEmpty == false) }
        }
    }

    @Test("A copy is in sync within 5 ms", arguments: cases.filter { $0.audio != "none" })
    func sync(source: CopyCase) throws {
        let outcome = try Engine.transcode(fixture: source.name)
        try #require(outcome.error == nil, "\(outcome.error.debugDescription)")
        let events = try SyncMeter(outcome.path).events
        #expect(events.count >= 3)
        for event in events { #expect(abs(event.offset - source.lag) <= 0.005, "\(event)") }
    }

    @Test(
        "Copied pictures are the source's own bytes",
        arguments: [
            "copy-720p30-48k.mp4", "copy-1080p30-44.1k-b-frames.mp4", "copy-rotated.mp4", "copy-variable-rate.mp4",
        ])
    func sameBytes(name: String) throws {
        try KnownGaps.allow(name) {
            let outcome = try Engine.transcode(fixture: name)
            #expect(try Self.hashes(Fixture.path(name)) == Self.hashes(outcome.path))
        }
    }

    @Test("Where tags are added, the pictures still decode to the same")
    func tagsAdded() throws {
        let outcome = try Engine.transcode(fixture: "copy-untagged.mp4")
        #expect(outcome.isCopied)
        func decoded(_ path: String) throws -> [Substring] {
            let text = try Shell.succeed(
                "ffmpeg", ["-nostdin", "-v", "error", "-i", path, "-map", "0:v", "-f", "framehash", "-"])
            return Self.hashColumn(text)
        }
        #expect(try decoded(Fixture.path("copy-untagged.mp4")) == decoded(outcome.path))
    }

    @Test("--force-encode copies nothing", arguments: ["copy-720p30-48k.mp4", "copy-rotated.mp4"])
    func forced(name: String) throws {
        let outcome = try Engine.transcode(fixture: name, forceEncode: true)
        try expectConforming(outcome)
        #expect(outcome.video?.action == "encode" && outcome.audio?.action == "encode")
    }

    @Test(
        "A conforming file that was made here is copied when it comes back",
        arguments: ["sync-b-frames.mp4", "rate-29.97.mp4"])
    func idempotent(name: String) throws {
        let first = try Engine.transcode(fixture: name, forceEncode: true)
        let second = try Engine.run(first.path, .quick())
        try expectConforming(second)
        #expect(second.isCopied && second.audio?.action == "copy", "\(second.report?.plan.debugDescription ?? "")")
        #expect(try Self.hashes(first.path) == Self.hashes(second.path))
    }

    /// A hash of each coded picture.
    private static func hashes(_ path: String) throws -> [Substring] {
        let text = try Shell.succeed(
            "ffmpeg", ["-nostdin", "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "framehash", "-"])
        return hashColumn(text)
    }

    private static func hashColumn(_ text: Data) -> [Substring] {
        String(decoding: text, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
            .compactMap { $0.split(separator: ",").last }
    }
}
