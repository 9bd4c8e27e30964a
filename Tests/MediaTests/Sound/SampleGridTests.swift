import Foundation
import Testing

@testable import Media

/// A flash-and-beep clip whose packets of sound are missing or moved, by a bitstream filter of ffmpeg's.
struct JumpCase: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var filter: String
    var ending = "mp4"
    /// How late the source has the beeps.
    var lags = [0.0, 0, 0, 0]
}

struct SampleGridTests {
    private static func clip(_ fixture: String, filter: String, ending: String = "mp4") throws -> String {
        let path = try Scratch.folder() + "/jump.\(ending)"
        try Shell.ffmpeg(["-i", Fixture.path(fixture), "-map", "0", "-c", "copy", "-bsf:a", filter, path])
        return path
    }

    private static let half = 512.0 / 48000

    private static let jumps = [
        JumpCase(testDescription: "one packet lost", filter: "noise=drop='eq(n,50)'"),
        JumpCase(
            testDescription: "one packet lost, times in milliseconds", filter: "noise=drop='eq(n,50)'", ending: "mkv"),
        JumpCase(testDescription: "three packets lost", filter: "noise=drop='between(n,50,52)'"),
        JumpCase(testDescription: "six packets lost", filter: "noise=drop='between(n,50,55)'"),
        JumpCase(testDescription: "packets lost here and there", filter: "noise=drop='not(mod(n-10,40))'"),
        JumpCase(
            testDescription: "two packets lost shortly one after the other", filter: "noise=drop='eq(n,40)+eq(n,50)'"),
        JumpCase(testDescription: "a packet lost at the start", filter: "noise=drop='eq(n,2)'"),
        JumpCase(testDescription: "a packet lost shortly before the end", filter: "noise=drop='eq(n,158)'"),
        JumpCase(
            testDescription: "half a packet that overlaps", filter: "setts=ts='TS-if(gte(N,50),512,0)'",
            lags: [0, -half, -half, -half]),
    ]

    @Test(arguments: jumps)
    func `a gap or an overlap in the sound costs no sync behind it`(source: JumpCase) throws {
        let path = try Self.clip("sync-30fps.mp4", filter: source.filter, ending: source.ending)
        let outcome = try Engine.transcode(path: path, forceEncode: true)
        try expectConforming(outcome)
        let events = try SyncMeter(outcome.path).events
        try #require(events.count == 4)
        for (event, lag) in zip(events, source.lags) { #expect(abs(event.offset - lag) <= 0.005, "\(event)") }
    }

    @Test(arguments: [
        "TS-mod(N,4)*900", "TS-mod(N,3)*700", "TS+floor(sin(N*2.3)*300)", "TS-if(eq(mod(N,40),20),900,0)",
    ])
    func `continuous sound whose times jitter or come in batches stays whole`(times: String) throws {
        let path = try Self.clip("audio-stereo.mp4", filter: "setts=ts='\(times)'")
        let outcome = try Engine.transcode(path: path, forceEncode: true)
        try expectConforming(outcome)
        // A tone bends evenly; a cut or a hole in it is a corner. Its own start and end are such.
        let samples = try Tones(outcome.path).channels[0].dropFirst(9600).dropLast(9600)
        let bends = zip(samples, zip(samples.dropFirst(), samples.dropFirst(2))).map { abs($0 - 2 * $1.0 + $1.1) }
        #expect((bends.max() ?? 1) < 0.005)
    }

    @Test func `sound that begins later than any picture may stand is refused before silence is laid`() throws {
        let path = try Scratch.folder() + "/late.mkv"
        let clip = Fixture.path("sync-30fps.mp4")
        try Shell.ffmpeg(
            ["-itsoffset", "3000", "-i", clip, "-i", clip, "-map", "1:v", "-map", "0:a", "-c", "copy"]
                + ["-max_interleave_delta", "0", path])
        let source = NotSeekable([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))), name: "late.mkv")
        let (_, _, error) = try Engine.run(source, .quick(forceEncode: true, profile: .any))
        #expect(error?.code == .sourceCorrupt)
        #expect(error?.message.contains("jump to 3000 s") == true, "\(error.debugDescription)")
    }

    @Test func `a job can be cancelled while minutes of silence are laid`() throws {
        let encoder = try AudioEncoder(sampleRate: 48000, channels: 1, bitrate: 64000)
        var asked = 0
        let grid = SampleGrid(encoder) {
            asked += 1
            return asked > 3
        }
        var packets = 0
        let sound = [ArraySlice(repeating: Float(0.5), count: 1024)]
        let error = #expect(throws: MediaError.self) { try grid.put(sound, at: 600) { _ in packets += 1 } }
        #expect(error == .cancelled)
        #expect(packets < 600)
    }
}
