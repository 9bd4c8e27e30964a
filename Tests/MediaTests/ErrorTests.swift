import Foundation
import Testing

@testable import Media

struct Refusal: CustomTestStringConvertible, Sendable {
    var name: String
    /// Codes that tell the user the truth about it.
    var codes: [MediaError.Code]
    var testDescription: String { name }
}

struct ErrorTests {
    static let refusals = [
        Refusal(name: "bad-text.mp4", codes: [.unsupportedContainer]),
        Refusal(name: "bad-empty.mp4", codes: [.unsupportedContainer, .sourceTruncated]),
        Refusal(name: "bad-zeros.mp4", codes: [.unsupportedContainer, .sourceCorrupt, .sourceTruncated]),
        Refusal(name: "bad-audio-only.mp4", codes: [.noVideoStream]),
        Refusal(name: "bad-audio-only.mp3", codes: [.noVideoStream, .unsupportedContainer]),
        Refusal(name: "bad-still.png", codes: [.noVideoStream, .unsupportedContainer]),
        Refusal(name: "bad-still-jpeg.mp4", codes: [.noVideoStream, .unsupportedContainer]),
        Refusal(name: "bad-still-16000x9000.png", codes: [.noVideoStream, .unsupportedContainer, .tooLarge]),
        Refusal(name: "bad-hour-long.mp4", codes: [.tooLong]),
        Refusal(name: "bad-too-short.mp4", codes: [.tooShort]),
        Refusal(name: "bad-encrypted.mp4", codes: [.unsupportedVideoCodec, .unsupportedContainer]),
        Refusal(name: "bad-unknown-video-codec.mp4", codes: [.unsupportedVideoCodec]),
        Refusal(name: "bad-dolby-vision-5.mp4", codes: [.unsupportedVideoCodec]),
        Refusal(name: "bad-ictcp.mp4", codes: [.unsupportedVideoCodec]),
        Refusal(name: "bad-truncated-header.mp4", codes: [.sourceTruncated]),
        Refusal(name: "bad-truncated-data.mp4", codes: [.sourceTruncated]),
        Refusal(name: "bad-truncated-moov-last.mp4", codes: [.sourceTruncated]),
        Refusal(name: "bad-damaged-30-percent.mp4", codes: [.sourceCorrupt]),
        Refusal(name: "bad-damaged-a-third-of-frames.mp4", codes: [.sourceCorrupt]),
    ]

    @Test(arguments: refusals)
    func `what can't become a video is refused with the code that says why, and leaves nothing`(file: Refusal) throws {
        let outcome = try Engine.transcode(fixture: file.name)
        let error = try #require(outcome.error, "a report instead of a refusal: \(outcome.report.debugDescription)")
        #expect(file.codes.contains(error.code), "\(error)")
        Self.expectSentence(error)
        #expect(outcome.files == [])
    }

    /// Absurd numbers in an otherwise good file of 5 s: some readers can bear them.
    @Test(
        arguments: ["zero-timescale", "zero-movie-timescale", "huge-timescale", "timescale-1", "singular-matrix"],
        [false, true])
    func `absurd numbers in a header end in a good file or a clear refusal`(name: String, forceEncode: Bool) throws {
        let outcome = try Engine.transcode(fixture: "bad-\(name).mp4", forceEncode: forceEncode)
        if let error = outcome.error {
            #expect(![.internal, .cancelled, .outOfMemory, .usage].contains(error.code), "\(error)")
            Self.expectSentence(error)
            #expect(outcome.files == [])
        } else {
            try expectConforming(outcome)
            #expect(abs(try FFprobe.read(outcome.path).duration - 5) < 0.1)
        }
        #expect(outcome.seconds < 10)
    }

    @Test func `an hour is refused from the header, within a second`() throws {
        let outcome = try Engine.run(Fixture.path("bad-hour-long.mp4"), .quick())
        #expect(outcome.error?.code == .tooLong)
        #expect(outcome.seconds < 1)
    }

    @Test func `one damaged packet in 150 is concealed and reported`() throws {
        let outcome = try Engine.transcode(fixture: "damaged-one-packet.mp4", forceEncode: true)
        try expectConforming(outcome)
        #expect(outcome.report?.warnings.isEmpty == false)
    }

    @Test func `a missing file, a folder and an existing output have codes of their own`() throws {
        let folder = try Scratch.folder()
        let missing = #expect(throws: MediaError.self) { try FileSource(path: folder + "/none.mp4") }
        #expect(missing?.code == .inputNotFound)
        let isFolder = #expect(throws: MediaError.self) { try FileSource(path: folder) }
        #expect(isFolder?.code == .inputNotFound)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: folder + "/there.mp4"))
        let existing = #expect(throws: MediaError.self) { try FileSink(path: folder + "/there.mp4", overwrite: false) }
        #expect(existing?.code == .outputExists)
        #expect(try String(contentsOfFile: folder + "/there.mp4", encoding: .utf8) == "mine")
        #expect(throws: MediaError.self) { try FileSink(path: folder + "/none/out.mp4", overwrite: false) }
    }

    @Test func `a failed transcode leaves an output that is to be replaced as it was`() throws {
        let path = try Scratch.folder() + "/there.mp4"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        let sink = try FileSink(path: path, overwrite: true)
        let source = try FileSource(path: Fixture.path("bad-damaged-30-percent.mp4"))
        #expect(throws: MediaError.self) { try Transcode(from: source, to: sink, options: .quick()).run() }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
    }

    @Test(arguments: [false, true])
    func `an output that is a device or a pipe is refused and stays what it is`(overwrite: Bool) throws {
        let path = try Scratch.folder() + "/pipe"
        #expect(mkfifo(path, 0o600) == 0)
        do {
            _ = try FileSink(path: path, overwrite: overwrite)
            Issue.record("a pipe was taken for a file")
        } catch let error as MediaError {
            #expect(error.code == .storageRejected)
        }
        var status = stat()
        #expect(lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    }

    @Test func `the limits are those of the profile: what is too short for reels is not for any`() throws {
        let any = try Engine.transcode(fixture: "bad-too-short.mp4", profile: .any)
        try expectConforming(any, minimumSeconds: 0.9)
        let story = try Engine.transcode(fixture: "bad-too-short.mp4", profile: .story)
        #expect(story.error?.code == .tooShort)
    }

    @Test(arguments: [0, 1, 20])
    func `cancelling ends the work soon, as cancelled, and leaves nothing`(after calls: Int) throws {
        let folder = try Scratch.folder()
        let source = try FileSource(path: Fixture.path("size-4k60-portrait.mp4"))
        let sink = try FileSink(path: folder + "/out.mp4", overwrite: false)
        let asked = Counter()
        let clock = ContinuousClock()
        let begun = clock.now
        do {
            _ = try Transcode(
                from: source, to: sink, options: .quick(forceEncode: true), isCancelled: { asked.next() >= calls }
            ).run()
            Issue.record("it went on to the end")
        } catch let error as MediaError {
            #expect(error.code == .cancelled)
        }
        #expect((clock.now - begun) / .seconds(1) < 6)
        #expect(try Scratch.contents(of: folder) == [])
    }

    static func expectSentence(_ error: MediaError, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(error.message.count > 10 && !error.message.contains("\n"), "\(error)", sourceLocation: sourceLocation)
        #expect(!error.message.contains("0x7f") && !error.message.contains("Optional("), sourceLocation: sourceLocation)
    }
}
