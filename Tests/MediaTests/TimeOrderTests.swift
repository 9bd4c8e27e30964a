import Foundation
import Testing

@testable import Media

struct TimeOrderTests {
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

    @Test func `a single damaged time is left out; the second in a row is no accident`() throws {
        var order = TimeOrder()
        for time in [0.0, 5, 4.6] { #expect(try order.check(time, in: "clip")) }
        #expect(try !order.check(1, in: "clip"))
        #expect(try order.check(5.1, in: "clip"))
        #expect(try !order.check(1, in: "clip"))
        #expect(throws: MediaError.self) { try order.check(1.1, in: "clip") }
    }
}
