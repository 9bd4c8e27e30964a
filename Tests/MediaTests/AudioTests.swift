import Foundation
import Testing

@testable import Media

/// A clip with one tone per channel.
struct ToneCase: CustomTestStringConvertible, Sendable {
    var name: String
    var tones: [Double]
    /// Channels in the result.
    var channels = 2
    var testDescription: String { name }
}

struct AudioTests {
    // The fourth channel of 5.1 and 7.1 is the bass, which a downmix to stereo leaves out.
    static let surround: [Double] = [300, 500, 700, 1100, 1300]
    static let cases = [
        ToneCase(name: "audio-mono.mp4", tones: [300], channels: 1),
        ToneCase(name: "audio-stereo.mp4", tones: [300, 500]),
        ToneCase(name: "audio-quad.mkv", tones: [300, 500, 700, 900]),
        ToneCase(name: "audio-5.1.mp4", tones: surround),
        ToneCase(name: "audio-5.1-ac3.ts", tones: surround),
        ToneCase(name: "audio-7.1-pcm.mov", tones: surround + [1500, 1700]),
        ToneCase(name: "audio-7.1-flac.mkv", tones: surround + [1500, 1700]),
        ToneCase(name: "audio-8k.mp4", tones: [300], channels: 1),
        ToneCase(name: "audio-8k-pcm.avi", tones: [300], channels: 1),
        ToneCase(name: "audio-11025.mp4", tones: [300], channels: 1),
        ToneCase(name: "audio-22050.mp4", tones: [300, 500]),
        ToneCase(name: "audio-32k.mp4", tones: [300, 500]),
        ToneCase(name: "audio-96k.mp4", tones: [300, 500]),
        ToneCase(name: "audio-96k-pcm24.mov", tones: [300, 500]),
        ToneCase(name: "audio-192k-float.mov", tones: [300, 500]),
        ToneCase(name: "audio-mp3.mp4", tones: [300, 500]),
        ToneCase(name: "audio-opus.mp4", tones: [300, 500]),
        ToneCase(name: "audio-alac.mov", tones: [300, 500]),
    ]

    @Test(arguments: cases, [false, true])
    func `every channel's tone is audible in the result`(source: ToneCase, forceEncode: Bool) throws {
        let outcome = try Engine.transcode(fixture: source.name, forceEncode: forceEncode)
        try expectConforming(outcome)
        let tones = try Tones(outcome.path)
        #expect(tones.channels.count == source.channels)
        for tone in source.tones {
            #expect(tones.amplitude(tone) > 0.03, "\(tone) Hz has an amplitude of \(tones.amplitude(tone))")
        }
        #expect(tones.amplitude(2100) < 0.005, "a tone that is not in the source")
        #expect(tones.peak <= 1.0)
    }

    @Test(arguments: cases.filter { $0.channels == 2 })
    func `left stays left and right stays right`(source: ToneCase) throws {
        let tones = try Tones(Engine.transcode(fixture: source.name, forceEncode: true).path)
        #expect(tones.amplitude(300, channel: 0) > 5 * tones.amplitude(300, channel: 1))
        #expect(tones.amplitude(500, channel: 1) > 5 * tones.amplitude(500, channel: 0))
    }

    @Test(arguments: ["audio-mono.mp4", "audio-stereo.mp4", "audio-96k.mp4"])
    func `mono and stereo keep their level`(name: String) throws {
        let tones = try Tones(Engine.transcode(fixture: name, forceEncode: true).path)
        #expect(abs(tones.amplitude(300, channel: 0) / 0.2 - 1) < 0.1, "\(tones.amplitude(300, channel: 0))")
    }

    @Test func `the default track is chosen`() throws {
        let outcome = try Engine.transcode(fixture: "audio-two-tracks-second-default.mp4")
        try expectConforming(outcome)
        let tones = try Tones(outcome.path)
        #expect(tones.amplitude(1000) > 10 * tones.amplitude(400))
    }

    @Test func `a track with no decoder is skipped for one that has one, and reported`() throws {
        let outcome = try Engine.transcode(fixture: "audio-first-undecodable.mp4")
        try expectConforming(outcome)
        #expect(try Tones(outcome.path).amplitude(1000) > 0.05)
        let skipped = outcome.report?.input?.skippedTracks ?? []
        #expect(skipped.contains { $0.kind == "audio" && !$0.reason.isEmpty }, "\(skipped)")
    }

    @Test func `a track that goes by a decoder's name but not to it is skipped for the next, and reported`() throws {
        // Two tracks of AAC, the first of which says it is xHE-AAC, which libavcodec doesn't decode.
        let path = try Scratch.folder() + "/two.mp4"
        try Shell.ffmpeg(
            ["-i", Fixture.path("audio-stereo.mp4"), "-map", "0", "-map", "0:a"]
                + ["-c", "copy", path])
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        let description: [UInt8] = [0x05, 0x80, 0x80, 0x80, 0x05, 0x11, 0x90]
        let start = try #require(
            bytes.indices.first { bytes[$0...].starts(with: description) }, "the encoder's description changed")
        bytes.replaceSubrange((start + 5)..<(start + 8), with: [0xF9, 0x46, 0x40])
        for both in [false, true] {
            if both {
                let second = try #require(
                    bytes.indices.first { bytes[$0...].starts(with: description) })
                bytes.replaceSubrange((second + 5)..<(second + 8), with: [0xF9, 0x46, 0x40])
            }
            let outcome = try Engine.run(Engine.store(bytes), .quick())
            try expectConforming(outcome)
            #expect((try FFprobe.read(outcome.path).audio == nil) == both)
            let skipped = outcome.report?.input?.skippedTracks ?? []
            #expect(skipped.map(\.kind) == (both ? ["audio", "audio"] : ["audio"]))
            #expect(skipped.allSatisfy { $0.codec == "aac" && $0.reason == "can't be decoded" }, "\(skipped)")
        }
    }

    @Test func `good video beside sound with no decoder becomes a silent file, and the report says so`() throws {
        let outcome = try Engine.transcode(fixture: "audio-undecodable.mp4")
        try expectConforming(outcome)
        #expect(try FFprobe.read(outcome.path).audio == nil)
        #expect(outcome.audio?.action == "none")
        #expect(
            outcome.report?.input?.skippedTracks.contains { $0.kind == "audio" && $0.codec.contains("apac") } == true)
    }

    @Test(arguments: [1, 8, 3999, 1_000_000] as [Double])
    func `sound at a rate that no sound has is skipped, and reported`(rate: Double) throws {
        let path = try Scratch.folder() + "/rate.mkv"
        try Shell.ffmpeg(
            ["-i", Fixture.path("sync-30fps.mp4"), "-c:v", "copy", "-c:a", "pcm_s16le"]
                + ["-af", "atrim=end=4,asetnsamples=n=48000:p=0", path])
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        // Matroska's SamplingFrequency: its number, eight bytes, a double.
        func element(_ rate: Double) -> [UInt8] {
            [0xB5, 0x88] + (0..<8).map { UInt8(truncatingIfNeeded: rate.bitPattern >> (56 - 8 * UInt64($0))) }
        }
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: element(48000)) })
        bytes.replaceSubrange(start..<(start + 10), with: element(rate))
        let outcome = try Engine.run(Engine.store(bytes, as: "rate.mkv"), .quick())
        try expectConforming(outcome)
        #expect(try FFprobe.read(outcome.path).audio == nil)
        let skipped = outcome.report?.input?.skippedTracks ?? []
        #expect(skipped.map(\.reason) == ["has a sample rate of \(Int(rate)) Hz"])
    }

    /// A clip of one tone for each channel, as `ToneCase` has them, in a layout that isn't stated.
    private static func tones(
        _ count: Int, amplitude: Double = 0.2, as name: String, _ codec: [String]
    ) throws -> String {
        let path = try Scratch.folder() + "/" + name
        let tones = (0..<count).map { "\(amplitude)*sin(2*PI*\(300 + 200 * $0)*t)" }.joined(separator: "|")
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "color=gray:s=320x180:r=30:d=4"]
                + ["-f", "lavfi", "-i", "aevalsrc=\(tones):s=48000:d=4", "-c:v", "libx264", "-preset", "ultrafast"]
                + ["-pix_fmt", "yuv420p"] + codec + [path])
        return path
    }

    @Test(arguments: [9, 10, 12])
    func `channels that no layout is known for are pairs of left and right, and none is lost`(count: Int) throws {
        let path = try Self.tones(count, as: "many.mov", ["-c:a", "pcm_s16le"])
        let outcome = try Engine.run(path, .quick())
        try expectConforming(outcome)
        let tones = try Tones(outcome.path)
        #expect(tones.channels.count == 2)
        for channel in 0..<count {
            let (frequency, side) = (Double(300 + 200 * channel), channel % 2)
            let expected = 0.2 / Double((count + 1 - side) / 2)
            let found = [0, 1].map { tones.amplitude(frequency, channel: $0) }
            #expect(abs(found[side] / expected - 1) < 0.1, "\(frequency) Hz: \(found), not \(expected)")
            #expect(found[1 - side] < 0.1 * expected, "\(frequency) Hz: \(found)")
        }
    }

    @Test func `of ambisonic sound both sides get what is heard from everywhere, as loud as it is`() throws {
        let path = try Self.tones(
            4, amplitude: 0.9, as: "ambisonic.mkv", ["-c:a", "libopus", "-mapping_family", "255", "-b:a", "512k"])
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        let header = try #require(bytes.index(of: "OpusHead"))
        // RFC 8486: the third mapping family's channels are those of a sphere.
        bytes[header + 18] = 2
        let outcome = try Engine.run(Engine.store(bytes, as: "ambisonic.mkv"), .quick())
        try expectConforming(outcome)
        let tones = try Tones(outcome.path)
        for channel in 0...1 {
            #expect(abs(tones.amplitude(300, channel: channel) / 0.9 - 1) < 0.05)
            for other in [500, 700, 900] { #expect(tones.amplitude(Double(other), channel: channel) < 0.01) }
        }
        #expect(tones.peak < 1)
    }
}
