import Foundation
import Testing

@testable import Media

@Suite("Report")
struct ReportTests {
    private static func object(_ report: Report) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
    }

    @Test("What the contract lets be null is written as null, what it lets be absent is absent")
    func nulls() throws {
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

    @Test("A report of a failure has every key")
    func failure() throws {
        var report = Report()
        report.error = Report.Failure(MediaError(.tooShort, "the video lasts 1 s"))
        let object = try Self.object(report)
        #expect(object.count == 9)
        for key in ["input", "plan", "output", "conformance"] { #expect(object[key] is NSNull, "\(key)") }
    }

    @Test("A report comes back from its JSON as it was")
    func roundTrip() throws {
        let report = try #require(Engine.transcode(fixture: "copy-no-audio.mp4").report)
        #expect(try JSONDecoder().decode(Report.self, from: JSONEncoder().encode(report)) == report)
    }

    @Test("The tail ends when the file is stored, before it is read again for its hash")
    func tail() throws {
        var options = Transcode.Options()
        options.hashesOutput = true
        let source = try FileSource(path: Fixture.path("copy-no-audio.mp4"))
        let report = try Transcode(from: source, to: SlowHashSink(), options: options).run()
        #expect(report.output?.sha256 == "hash")
        #expect(report.timings.wallSeconds > SlowHashSink.seconds)
        #expect(report.timings.tailSeconds > 0 && report.timings.tailSeconds < SlowHashSink.seconds)
    }
}

/// Keeps nothing, and takes its time to hash it.
private final class SlowHashSink: ByteSink {
    static let seconds = 1.0
    let location = "nowhere"

    func write(_ bytes: [UInt8], headLength: Int) throws {}
    func finish(head: [UInt8]) throws {}
    func abort() {}

    func sha256() throws -> String? {
        Thread.sleep(forTimeInterval: Self.seconds)
        return "hash"
    }
}
