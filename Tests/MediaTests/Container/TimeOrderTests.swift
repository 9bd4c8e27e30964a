import Foundation
import Testing

@testable import Media

/// A flash-and-beep clip in which a single packet has a time that is too late.
struct LateCase: CustomTestStringConvertible, Sendable {
    var fixture = "sync-30fps.mp4"
    var ending: String
    /// `v` or `a`.
    var stream = "v"
    var packet = 40
    var testDescription: String { "\(stream):\(packet) of \(fixture), .\(ending)" }

    /// The clip with the packet's time moved.
    func make() throws -> String {
        let path = try Scratch.folder() + "/late.\(ending)"
        let late = "if(eq(N,\(packet)),2*\(["mp4": 15360, "mkv": 1000, "ts": 90_000][ending] ?? 0),0)"
        // The time of decoding stays: after a late one muxers would move all that follows.
        let filter = "setts=pts='PTS+\(late)':dts=DTS"
        try Shell.ffmpeg(
            ["-i", Fixture.path(fixture), "-map", "0", "-c", "copy", "-bsf:\(stream)", filter]
                + (ending == "ts" ? ["-pes_payload_size", "0"] : []) + [path])
        return path
    }
}

struct TimeOrderTests {
    // The others' muxers give sound no late time alone.
    private static let late =
        ["mp4", "mkv", "ts"].flatMap {
            [LateCase(ending: $0), LateCase(fixture: "sync-b-frames.mp4", ending: $0)]
        }
        + [LateCase(ending: "mkv", stream: "a")]

    @Test(arguments: late)
    func `a single packet with a time that is too late is left out, and the rest keeps its time`(source: LateCase)
        throws
    {
        let outcome = try Engine.transcode(path: source.make(), forceEncode: true)
        try expectConforming(outcome)
        #expect(outcome.report?.warnings.count == 1, "\(outcome.report?.warnings ?? [])")
        let events = try SyncMeter(outcome.path).events
        #expect(events.count == 4)
        for event in events { #expect(abs(event.offset) <= 0.005, "\(event)") }
    }

    @Test(arguments: ["container.ts", "container.mpg"], [false, true])
    func `files joined end to end are refused rather than half shown`(name: String, forceEncode: Bool) throws {
        let bytes = try Fixture.bytes(name)
        let (sink, _, error) = try Engine.run(
            MemorySource(bytes + bytes, name: name), .quick(forceEncode: forceEncode))
        #expect(error?.code == .sourceCorrupt)
        #expect(error?.message.contains("start over") == true, "\(error.debugDescription)")
        #expect(sink.file == nil)
    }

    @Test func `a part that comes too early is refused, though the times of all make a whole`() throws {
        let folder = try Scratch.folder()
        for (name, start) in [("late", "14"), ("early", "10")] {
            try Shell.ffmpeg(
                [
                    "-i", Fixture.path("container.ts"), "-c", "copy", "-output_ts_offset",
                    start,
                ]
                    + ["\(folder)/\(name).ts"])
        }
        let bytes = try ["late", "early"].map { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0).ts")) }
        let (_, _, error) = try Engine.run(MemorySource([UInt8](bytes[0] + bytes[1]), name: "swapped.ts"))
        #expect(error?.code == .sourceCorrupt)
    }

    /// The times that are given of those that come, and how many are left out.
    private static func ordered(_ times: [Double], inGroups: Bool = false, end: Double = .infinity) throws -> (
        given: [Double], dropped: Int
    ) {
        var order = TimeOrder<Double>(isInGroups: inGroups)
        var given: [Double] = []
        for time in times { given += try order.take(time, at: time, in: "clip") }
        return (given + order.finish(isBeyondEnd: { $0 > end }), order.dropped)
    }

    private static let orders: [(times: [Double], given: [Double], dropped: Int)] = [
        ([0, 0.4, 0.2, 0.6], [0, 0.4, 0.2, 0.6], 0),
        // Too early, or too late: wherever it is.
        ([0, 0.4, -3, 0.8], [0, 0.4, 0.8], 1), ([0, 0.4, 9, 0.8, 1.2], [0, 0.4, 0.8, 1.2], 1),
        ([9, 0, 0.4], [0, 0.4], 1), ([0, 9, 0.4, 9, 0.8], [0, 0.4, 0.8], 2), ([0, 0.4, 9, -3, 0.8], [0, 0.4, 0.8], 2),
        // Gaps are no damage: in the middle, all the time, at the end.
        ([0, 0.4, 9, 9.4], [0, 0.4, 9, 9.4], 0), ([0, 2, 4, 7, 900], [0, 2, 4, 7, 900], 0),
        ([0, 0.4, 9], [0, 0.4, 9], 0), ([5], [5], 0), ([], [], 0),
    ]

    @Test func `a last time that is too late is left out where the end is known`() throws {
        for (end, given, dropped) in [(5.0, [0, 0.4], 1), (10, [0, 0.4, 9], 0)] {
            for inGroups in [false, true] {
                let order = try Self.ordered([0, 0.4, 9], inGroups: inGroups, end: end)
                #expect(order.given == given && order.dropped == dropped)
            }
        }
    }

    @Test func `a last picture far behind the container's end doesn't lengthen the video`() throws {
        let path = try Scratch.folder() + "/late.mkv"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=4", "-c:v", "libx264", "-bf", "0"]
                + ["-bsf:v", "setts=ts=if(eq(N\\,119)\\,TS+30/TB\\,TS)", path])
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        // The segment's Duration, in milliseconds.
        let duration = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x44, 0x89, 0x88]) }) + 3
        let four = withUnsafeBytes(of: Double(4000).bitPattern.bigEndian) { Array($0) }
        bytes.replaceSubrange(duration..<(duration + 8), with: four)
        let (_, report, error) = try Engine.run(MemorySource(bytes, name: "late.mkv"))
        #expect(error == nil)
        #expect(abs((report?.output?.durationSeconds ?? 0) - 4) < 0.1)
        #expect(report?.warnings.contains { $0.contains("1 of 120 pictures") } == true, "\(report?.warnings ?? [])")
    }

    @Test func `a transport stream's packet of sound with a late time is all that is lost`() throws {
        let path = try Scratch.folder() + "/late.ts"
        // A minute: the frames in a packet are less than one in a hundred.
        try Shell.ffmpeg(
            ["-stream_loop", "15", "-i", Fixture.path("sync-30fps.mp4"), "-c", "copy"]
                + ["-pes_payload_size", "1000", path])
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        // 188 bytes each; where a packet of sound begins its stream is 0xC0, and its time comes nine bytes later.
        let times = stride(from: 0, to: bytes.count - 187, by: 188).compactMap { start in
            (start + 4..<start + 100).first { bytes[start + 1] & 0x40 != 0 && bytes[$0..<$0 + 4] == [0, 0, 1, 0xC0] }
        }.map { $0 + 9 }
        // Bit 18 of a time at 90 kHz: 2.9 s.
        let late = try #require(times.dropFirst(times.count / 2).first { bytes[$0 + 2] & 0x10 == 0 })
        bytes[late + 2] |= 0x10
        let outcome = try Engine.transcode(path: Engine.store(bytes, as: "late.ts"), forceEncode: true)
        try expectConforming(outcome)
        #expect(outcome.report?.warnings.count == 1, "\(outcome.report?.warnings ?? [])")
        #expect(try SyncMeter(outcome.path).events.count >= 62)
    }

    @Test func `a single damaged time is left out, and a gap is no damage`() throws {
        for (times, given, dropped) in Self.orders {
            for inGroups in [false, true] {
                let ordered = try Self.ordered(times, inGroups: inGroups)
                #expect(ordered == (given, dropped), "\(times)")
            }
        }
    }

    @Test func `where many share one time, all that it moved are left out, and what comes after a gap is not`() throws {
        let group = [9, 9.1, 9.2, 9.3]
        #expect(try Self.ordered([0, 0.4] + group + [0.8, 1.2], inGroups: true) == ([0, 0.4, 0.8, 1.2], 4))
        for after in [[], [9.4], [9.5, 9.6], [10], [90]] as [[Double]] {
            let times = [0, 0.4] + group + after
            #expect(try Self.ordered(times, inGroups: true) == (times, 0))
        }
        // However many have one time, not all of them are kept waiting.
        var order = TimeOrder<Int>(isInGroups: true)
        let given = try (0..<200).flatMap { try order.take($0, at: $0 == 0 ? 0 : 9, in: "clip") }
        #expect(given.count > 100)
    }

    @Test(arguments: [[0, 5, 5.4, 1, 1.1], [0, 1, 2, 3, 0, 1], [0, 5, 5.1, 0.4, 0.8]] as [[Double]])
    func `the second time in a row that lies behind is no accident`(times: [Double]) throws {
        #expect(throws: MediaError.self) { try Self.ordered(times) }
    }

    @Test func `where many share one time, half a second that lies behind is no accident`() throws {
        #expect(try Self.ordered([0, 5, 5.6, 1, 1.1, 1.2, 5.7], inGroups: true) == ([0, 5, 5.6, 5.7], 3))
        #expect(throws: MediaError.self) { try Self.ordered([0, 5, 5.6, 1, 1.2, 1.4, 1.6], inGroups: true) }
    }
}
