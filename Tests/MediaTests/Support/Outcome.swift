import Foundation
import Synchronization
import Testing

@testable import Media

/// What a transcode of a file into an empty folder came to.
struct Outcome: Sendable {
    /// The finished file.
    var path: String
    var report: Report?
    var error: MediaError?
    /// What lies in the output's folder.
    var files: [String]
    var seconds: Double

    var video: Report.VideoPlanSummary? { report?.plan?.video }
    var audio: Report.AudioPlanSummary? { report?.plan?.audio }
    var isCopied: Bool { video?.action == "copy" }

    /// The judge's findings; a failed transcode is one itself.
    func faults(minimumSeconds: Double = 2.99, maximumSeconds: Double = 900.1) throws -> [String] {
        if let error { return ["failed: \(error)"] }
        return try Judge.conforms(
            path,
            Judge.Allowance(
                copiedVideo: isCopied, minimumSeconds: minimumSeconds, maximumSeconds: maximumSeconds))
    }
}

extension Transcode.Options {
    /// As the tests run: a fast preset, so that a suite of hundreds of encodes ends in minutes.
    static func quick(forceEncode: Bool = false, profile: Profile = .reels) -> Self {
        var options = Self()
        options.preset = "superfast"
        options.forceEncode = forceEncode
        options.profile = profile
        return options
    }
}

/// Transcodes files, each only once for the same options.
enum Engine {
    private static let known = Mutex<[String: Outcome]>([:])

    static func transcode(
        fixture: String, forceEncode: Bool = false, profile: Profile = .reels
    ) throws -> Outcome {
        try transcode(path: Fixture.path(fixture), forceEncode: forceEncode, profile: profile)
    }

    static func transcode(path: String, forceEncode: Bool = false, profile: Profile = .reels) throws -> Outcome {
        let key = "\(path) \(forceEncode) \(profile.name)"
        if let outcome = known.withLock({ $0[key] }) { return outcome }
        let outcome = try run(path, .quick(forceEncode: forceEncode, profile: profile))
        known.withLock { $0[key] = outcome }
        return outcome
    }

    /// Without memory.
    static func run(_ input: String, _ options: Transcode.Options) throws -> Outcome {
        let folder = try Scratch.folder()
        let output = folder + "/out.mp4"
        let clock = ContinuousClock()
        let begun = clock.now
        var report: Report?
        var failure: MediaError?
        do {
            let source = try FileSource(path: input)
            let sink = try FileSink(path: output, overwrite: false)
            report = try Transcode(from: source, to: sink, options: options).run()
        } catch let error as MediaError {
            failure = error
        }
        return Outcome(
            path: output, report: report, error: failure, files: try Scratch.contents(of: folder),
            seconds: (clock.now - begun) / .seconds(1))
    }

    /// Any source into memory.
    static func run(
        _ source: any ByteSource, into sink: MemorySink = MemorySink(), _ options: Transcode.Options = .quick()
    ) throws -> (sink: MemorySink, report: Report?, error: MediaError?) {
        do {
            return (sink, try Transcode(from: source, to: sink, options: options).run(), nil)
        } catch let error as MediaError {
            return (sink, nil, error)
        }
    }

    /// Bytes as a file for the judges.
    static func store(_ bytes: [UInt8], as name: String = "file.mp4") throws -> String {
        let path = try Scratch.folder() + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}

/// Expects a finished file that keeps every limit of its profile.
func expectConforming(
    _ outcome: Outcome, minimumSeconds: Double = 2.99, maximumSeconds: Double = 900.1,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let faults = try outcome.faults(minimumSeconds: minimumSeconds, maximumSeconds: maximumSeconds)
    #expect(faults == [], sourceLocation: sourceLocation)
    if outcome.error == nil {
        #expect(
            outcome.report?.ok == true && outcome.report?.conformance?.ready == true, sourceLocation: sourceLocation)
    }
}
