import Foundation
import Testing

@testable import Media

struct TruncationTests {
    /// Layouts that say how long they are: a cut can be told.
    static let measured = [
        "container-moov-last.mp4", "container-moov-first.mp4", "container-fragmented.mp4",
        "container-fragmented-sidx.mp4", "container.mkv", "container.webm", "container.avi", "container-mjpeg.avi",
        "container-prores.mov", "container.flv", "container.wmv",
        "copy-720p30-48k.mp4", "copy-stereo-128k.mp4", "copy-no-edit-list.mp4", "copy-untagged.mp4", "hdr-hlg.mp4",
        "sync-edit-segments.mp4", "track-cover.mp4", "audio-5.1.mp4", "vfr-jitter.mp4",
    ]
    /// Layouts that just go on until they end: a shorter one may be a whole one.
    static let endless = ["container.ts", "container.mpg"]

    /// 50 places: the first and the last bytes, and between them.
    static func cuts(_ count: Int) -> [Int] {
        let near = [0, 1, 7, 8, 9, 31, 32, 33, 48, 1024].filter { $0 < count }
        let far = [1, 2, 3, 4, 8, 9, 16, 100, 1000, 4096].map { count - $0 }.filter { $0 > 0 }
        return Array(Set(near + far + (1...30).map { count * $0 / 31 })).sorted()
    }

    /// Every clip that is no refusal by itself, if asked for: `REELWAY_EXHAUSTIVE=1`.
    static let chosen: [String] = {
        guard ProcessInfo.processInfo.environment["REELWAY_EXHAUSTIVE"] == "1" else { return measured }
        return Fixture.names().filter {
            !$0.hasPrefix("bad-") && !$0.hasSuffix(".ts") && !$0.hasSuffix(".mpg") && !$0.hasPrefix("size-4k")
        }
    }()

    @Test(arguments: chosen)
    func `a source cut anywhere is refused, or was complete without what is missing`(name: String) throws {
        let bytes = try Fixture.bytes(name)
        let whole = try Engine.run(MemorySource(bytes, name: name))
        let complete = try #require(whole.report?.output?.durationSeconds, "\(whole.error.debugDescription)")
        for count in Self.cuts(bytes.count) {
            let (sink, report, error) = try Engine.run(MemorySource(Array(bytes[..<count]), name: name))
            #expect(sink.faults == [], "cut at \(count)")
            if let error {
                let codes: [MediaError.Code] = [
                    .sourceTruncated, .sourceCorrupt, .unsupportedContainer, .noVideoStream,
                ]
                #expect(
                    codes.contains(error.code) || error.code == .tooShort && count < bytes.count / 2,
                    "at \(count): \(error)")
            } else {
                let seconds = report?.output?.durationSeconds ?? 0
                #expect(
                    abs(seconds - complete) <= max(0.5, complete / 100),
                    "cut at \(count) of \(bytes.count): \(seconds) s")
            }
        }
    }

    @Test(arguments: endless)
    func `a cut stream that can't tell its length is refused, or becomes what is there`(name: String) throws {
        let bytes = try Fixture.bytes(name)
        for count in Self.cuts(bytes.count) {
            let (sink, report, error) = try Engine.run(MemorySource(Array(bytes[..<count]), name: name))
            #expect(sink.faults == [], "cut at \(count)")
            if let error {
                let codes: [MediaError.Code] = [
                    .sourceTruncated, .sourceCorrupt, .unsupportedContainer, .noVideoStream, .tooShort,
                    .unsupportedVideoCodec,
                ]
                #expect(codes.contains(error.code), "at \(count): \(error)")
            } else {
                let there = 4.0 * Double(count) / Double(bytes.count)
                #expect(abs((report?.output?.durationSeconds ?? 0) - there) < 1.2, "cut at \(count) of \(bytes.count)")
            }
        }
    }

    @Test(arguments: ["container-moov-first.mp4", "copy-no-edit-list.mp4"])
    func `a byte that is missing at the very end is missed`(name: String) throws {
        let bytes = try Fixture.bytes(name)
        let (_, _, error) = try Engine.run(MemorySource(bytes.dropLast(1), name: name))
        #expect(error?.code == .sourceTruncated)
    }
}

extension MemorySource {
    convenience init(_ bytes: ArraySlice<UInt8>, name: String) { self.init(Array(bytes), name: name) }
}
