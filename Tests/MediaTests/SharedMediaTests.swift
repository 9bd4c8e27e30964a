import Foundation
import Testing

@testable import Media

@Suite(.enabled(if: SharedMedia.folder != nil, "../shared/media is absent"))
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
        "androidx/sample_malformed_free_box.mp4": [.sourceTruncated, .sourceCorrupt, .unsupportedContainer],
        // A second of video whose header says that it doesn't know its length.
        "androidx/sample_fragmented.mp4": [.tooShort],
    ]

    /// Unoptimised code takes minutes for large HDR pictures: they are for `swift test -c release`.
    static func isTooHeavy(_ path: String) -> Bool {
        #if DEBUG
            guard let probe = try? FFprobe.read(path), let video = probe.video else { return false }
            let pixels = Double((video.width ?? 0) * (video.height ?? 0)) * probe.duration * max(video.rate, 1)
            let isHDR = ["arib-std-b67", "smpte2084"].contains(video.colorTransfer ?? "")
            // What is tiny lies about its duration, and is refused at once.
            return pixels > (isHDR ? 1e7 : 5e9) && (Double(probe.format?.size ?? "") ?? 0) > 200_000
        #else
            return false
        #endif
    }

    @Test(arguments: SharedMedia.names)
    func `every real clip gives a conforming file or a clear refusal`(name: String) throws {
        let path = SharedMedia.path(name)
        if Self.isTooHeavy(path) { return print("shared: \(name): NOTICE: skipped, too heavy for a debug build") }
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
    @Test(arguments: SharedMedia.names.filter { refusals[$0] == nil })
    func `a real clip that is only too short becomes a conforming file under any`(name: String) throws {
        guard !Self.isTooHeavy(SharedMedia.path(name)),
            try Engine.transcode(path: SharedMedia.path(name)).error?.code == .tooShort
        else { return }
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
