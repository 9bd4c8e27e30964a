import Foundation
import Testing

@testable import Media

struct ReportTests {
    private static func object(_ report: Report) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
    }

    @Test func `what the contract lets be null is written as null, what it lets be absent is absent`() throws {
        let outcome = try Engine.transcode(fixture: "copy-no-audio.mp4")
        let report = try Self.object(#require(outcome.report))
        #expect(report["error"] is NSNull)
        let input = try #require(report["input"] as? [String: Any])
        #expect(input["audio"] is NSNull)
        #expect(input["sha256"] == nil && input["quickXorHash"] == nil)
        #expect((input["video"] as? [String: Any])?.count == 16)
        let plan = try #require(report["plan"] as? [String: Any])
        #expect((plan["video"] as? [String: Any])?["crf"] == nil)
    }

    @Test func `a report of a failure has every key`() throws {
        var report = Report()
        report.error = Report.Failure(MediaError(.tooShort, "the video lasts 1 s"))
        let object = try Self.object(report)
        #expect(object.count == 9)
        for key in ["input", "plan", "output", "conformance"] { #expect(object[key] is NSNull, "\(key)") }
    }

    @Test func `a report comes back from its JSON as it was`() throws {
        let report = try #require(Engine.transcode(fixture: "copy-no-audio.mp4").report)
        #expect(try JSONDecoder().decode(Report.self, from: JSONEncoder().encode(report)) == report)
    }

    @Test func `a report whose writer left out what is null is read all the same`() throws {
        let written = try Self.object(Report()).filter { !($0.value is NSNull) }
        #expect(written.count == 4)
        let read = try JSONDecoder().decode(Report.self, from: JSONSerialization.data(withJSONObject: written))
        #expect(read == Report())
    }

    @Test(arguments: ["container-moov-last.mp4", "container.mkv", "container.ts", "container.flv"])
    func `every byte that was read is counted, as often as it was read`(name: String) throws {
        let source = try MemorySource(fixture: name)
        let report = try #require(try Engine.run(source).report)
        #expect(report.timings.bytesRead == Int64(source.bytesRead))
    }

    @Test func `the first packet's time is told also where x264 gives none before the source ends`() throws {
        var options = Transcode.Options.quick(forceEncode: true, profile: .any)
        options.preset = "medium"
        let outcome = try Engine.run(Fixture.path("bad-too-short.mp4"), options)
        let timings = try #require(outcome.report).timings
        #expect(timings.firstFrameSeconds > 0 && timings.firstFrameSeconds <= timings.encodeSeconds)
    }

    @Test func `the tail ends when the file is stored, before it is read again for its hash`() throws {
        var options = Transcode.Options()
        options.hashesOutput = true
        let source = try FileSource(path: Fixture.path("copy-no-audio.mp4"))
        let sink = HashSink {
            Thread.sleep(forTimeInterval: 1)
            return "hash"
        }
        let report = try Transcode(from: source, to: sink, options: options).run()
        #expect(report.output?.sha256 == "hash")
        #expect(report.timings.wallSeconds > 1)
        #expect(report.timings.tailSeconds > 0 && report.timings.tailSeconds < 1)
    }

    @Test func `what is stored and whole is no failure because it can't be read for its hash: a warning says so`()
        throws
    {
        var options = Transcode.Options()
        options.hashesOutput = true
        let source = try FileSource(path: Fixture.path("copy-no-audio.mp4"))
        let sink = HashSink { throw MediaError(.storageUnavailable, "the store is away") }
        let report = try Transcode(from: source, to: sink, options: options).run()
        let output = try #require(Self.object(report)["output"] as? [String: Any])
        #expect(report.ok && output.count == 9 && output["sha256"] is NSNull)
        #expect(report.warnings.contains { $0.contains("the store is away") }, "\(report.warnings)")
    }
}

/// Keeps nothing, and hashes it as it is told.
private final class HashSink: ByteSink {
    let location = "nowhere"
    private let hash: () throws -> String

    init(_ hash: @escaping () throws -> String) { self.hash = hash }

    func write(_ bytes: [UInt8], headLength: Int) throws {}
    func finish(head: [UInt8]) throws {}
    func abort() {}
    func sha256() throws -> String? { try hash() }
}
