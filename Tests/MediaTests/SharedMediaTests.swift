import Foundation
import Testing

@testable import Media

@Suite("Real clips of ../shared/media", .enabled(if: SharedMedia.folder != nil, "../shared/media is absent"))
struct SharedMediaTests {
    /// The clips that can't become a reel, whatever one does.
    static let refusals: [String: [MediaError.Code]] = [
        "firefox/empty-samples.webm": [.unsupportedContainer, .sourceTruncated],
        "firefox/huge-id3.mp3": [.noVideoStream, .unsupportedContainer],
        "androidx/sample_vvc.mp4": [.unsupportedVideoCodec],
        "androidx/black_large.webp": [.noVideoStream, .unsupportedContainer, .tooLarge],
        "mp4parse/short-cenc.mp4": [.unsupportedVideoCodec, .unsupportedContainer, .tooShort],
        "mp4parse/invalid_userdata.mp4": [.sourceTruncated, .sourceCorrupt],
        "mp4parse/loop_forever.avif": [.noVideoStream, .unsupportedContainer, .tooShort],
        "decord/corrupted.mp4": [.sourceCorrupt, .sourceTruncated],
    ]

    @Test("Every real clip gives a conforming file or a clear refusal", arguments: SharedMedia.names)
    func anyClip(name: String) throws {
        let path = SharedMedia.path(name)
        let outcome = try Engine.transcode(path: path)
        let probe = try? FFprobe.read(path)
        let row: String
        if let error = outcome.error {
            row = error.description
            #expect(outcome.files == [])
            ErrorTests.expectSentence(error)
            let clear: [MediaError.Code] = [
                .unsupportedContainer, .noVideoStream, .unsupportedVideoCodec, .sourceTruncated, .sourceCorrupt,
                .tooShort,
                .tooLong, .tooLarge,
            ]
            #expect(clear.contains(error.code), "\(error)")
            if let codes = Self.refusals[name] {
                #expect(codes.contains(error.code), "\(error)")
            } else {
                let tooShort = (probe?.duration ?? 0) < 3.05
                #expect(error.code == .tooShort && tooShort, "\(name) lasts \(probe?.duration ?? 0) s: \(error)")
            }
        } else {
            #expect(Self.refusals[name] == nil, "made a file of what is no video")
            let output = outcome.report?.output
            row =
                "\(outcome.video?.action ?? "")/\(outcome.audio?.action ?? "") \(output?.width ?? 0)x\(output?.height ?? 0)"
                + " \(output?.frameRate ?? 0) fps \(output?.durationSeconds ?? 0) s, \(outcome.report?.warnings.count ?? 0) warnings"
            try expectConforming(outcome)
        }
        print("shared: \(name): \(row) (\((outcome.seconds * 10).rounded() / 10) s)")
    }

    /// The short ones too: nothing but their length is wrong with them.
    @Test(
        "A real clip that is only too short becomes a conforming file under `any`",
        arguments: SharedMedia.names.filter { refusals[$0] == nil })
    func shortClip(name: String) throws {
        guard try Engine.transcode(path: SharedMedia.path(name)).error?.code == .tooShort else { return }
        let outcome = try Engine.transcode(path: SharedMedia.path(name), profile: .any)
        if let error = outcome.error {
            #expect(
                [.sourceCorrupt, .sourceTruncated, .unsupportedContainer, .noVideoStream].contains(error.code),
                "\(error)")
            print("shared: \(name) under any: \(error)")
        } else {
            try expectConforming(outcome, minimumSeconds: 0)
        }
    }
}
