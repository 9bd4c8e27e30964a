import Foundation
import Testing

@testable import Media

/// A silent clip whose last picture stays long.
struct RestCase: CustomTestStringConvertible, Sendable {
    var ending: String
    /// Seconds for which the last of 120 pictures is seen.
    var rest: Int
    var testDescription: String { "\(rest) s, .\(ending)" }
}

struct LastPictureTests {
    /// Three pictures of 12 s each.
    private static func slides(_ ending: String) throws -> String {
        let path = try Scratch.folder() + "/slides.\(ending)"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=1/12", "-t", "36"]
                + ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", path])
        return path
    }

    /// The usual clip without its sound, at rest at its end.
    private static func rest(_ source: RestCase) throws -> String {
        let path = try Scratch.folder() + "/rest"
        try Shell.ffmpeg(
            ["-i", Fixture.path("sync-30fps.mp4"), "-an", "-c", "copy"]
                + ["-bsf:v", "setts=duration='if(eq(N,119),\(source.rest)/TB,DURATION)'", path + ".mp4"])
        if source.ending != "mp4" {
            let other = "\(path).\(source.ending)"
            try Shell.ffmpeg(["-i", path + ".mp4", "-c", "copy", other])
        }
        return "\(path).\(source.ending)"
    }

    private static let rests = [
        RestCase(ending: "mp4", rest: 12), RestCase(ending: "mkv", rest: 12), RestCase(ending: "flv", rest: 12),
        RestCase(ending: "mp4", rest: 3), RestCase(ending: "mkv", rest: 3),
    ]

    @Test(arguments: ["mp4", "mkv"], [false, true])
    func `pictures of 12 s are shown for 12 s each`(ending: String, forceEncode: Bool) throws {
        let outcome = try Engine.transcode(path: Self.slides(ending), forceEncode: forceEncode)
        try expectConforming(outcome)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 36) < 0.05)
    }

    @Test(arguments: rests, [false, true])
    func `a picture that rests at the end stays as long as its source says`(source: RestCase, forceEncode: Bool) throws
    {
        let outcome = try Engine.transcode(path: Self.rest(source), forceEncode: forceEncode)
        try expectConforming(outcome)
        let wanted = 119.0 / 30 + Double(source.rest)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - wanted) < 0.05)
        #expect(outcome.isCopied == (!forceEncode && source.rest == 3))
    }

    @Test func `a rest before the last pictures counts where only their composition offsets hold it`() throws {
        let path = try Scratch.folder() + "/rest.mp4"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc=s=320x180:r=30:d=12"]
                + ["-vf", "select='lt(t,2)+between(t,11.9,11.92)'", "-vsync", "vfr"]
                + ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 11.93) < 0.05)
    }

    @Test func `so it does in fragments`() throws {
        let path = try Scratch.folder() + "/rest.mp4"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc=s=320x180:r=30:d=12"]
                + ["-vf", "select='lt(t,2)+between(t,11.9,11.92)'", "-vsync", "vfr"]
                + ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
                + ["-movflags", "frag_keyframe+empty_moov+default_base_moof", path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        #expect(abs((outcome.report?.input?.durationSeconds ?? 0) - 11.93) < 0.05)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 11.93) < 0.05)
    }

    @Test(arguments: [0, 3])
    func `the last picture of a variable rate is seen for as long as others`(reordered: Int) throws {
        // Of 135 pictures 15 are missing, so that libavformat guesses a rate of 600 a second.
        let path = try Scratch.folder() + "/variable.mov"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=4.5"]
                + ["-vf", "select='not(between(n,70,70)+between(n,73,85)+eq(n,11))'", "-fps_mode", "passthrough"]
                + ["-c:v", "libx264", "-preset", "veryfast", "-bf", "\(reordered)", "-pix_fmt", "yuv420p"]
                + ["-video_track_timescale", "600", path])
        let outcome = try Engine.transcode(path: path, forceEncode: true)
        try expectConforming(outcome)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 4.5) < 0.001)
    }

    @Test(arguments: ["mkv", "flv"])
    func `a file that is cut before a long last picture is truncated`(ending: String) throws {
        let path = try Self.rest(RestCase(ending: ending, rest: 12))
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let (_, _, error) = try Engine.run(MemorySource(bytes.prefix(bytes.count * 9 / 10), name: "cut.\(ending)"))
        #expect(error?.code == .sourceTruncated)
    }
}
