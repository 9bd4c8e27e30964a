import ArgumentParser
import Foundation
import Media

/// `reelway transcode INPUT OUTPUT`: one video, no database.
struct TranscodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transcode", abstract: "Make an Instagram-ready MP4 of one video.")

    @Argument(help: "A path, - for standard input, https://…, onedrive:ITEM_ID or onedrive:DRIVE_ID/ITEM_ID.")
    var input: String

    @Argument(help: "A path, s3://BUCKET/KEY or supabase://BUCKET/KEY.")
    var output: String

    @OptionGroup var choices: TranscodeChoices

    @Option(help: "Threads for decoder and encoder.")
    var threads: Int?

    @Flag(help: "Replace an existing output.")
    var overwrite = false

    @Option(help: "Write a JSON report to this file; - is standard output.")
    var report: String?

    @Option(help: "How progress is shown: auto, bar, plain, json or none.")
    var progress: ProgressDisplay.Style = .auto

    func run() throws {
        let interruption = Interruption()
        let display = ProgressDisplay(progress, reportIsOnStandardOutput: report == "-")
        var file: ReportFile?
        var finished = Report()
        do {
            // The report first: one that can't be written, or would take a video's place, is refused before any work.
            try refuseReportInPlaceOfVideo()
            file = try report.map(ReportFile.init)
            try transcode(interruption, display, &finished)
            display.end()
            // Who reads JSON from standard output reads nothing else there.
            if report != "-", display.style != .json { summarise(finished) }
            try file?.write(finished)
        } catch {
            display.end()
            let status = ExitStatus.report(error)
            let failure = Failure(error)
            finished.error = Report.Failure(code: failure.code.rawValue, message: failure.message)
            finished.ok = false
            try? file?.write(finished)
            throw ExitStatus(code: status)
        }
    }

    private func refuseReportInPlaceOfVideo() throws {
        guard let report, report != "-" else { return }
        for (video, name) in [(input, "INPUT"), (output, "OUTPUT")] where FileSink.isSame(report, video) {
            throw Failure(.usage, "--report names the same file as \(name); give the report a file of its own")
        }
    }

    /// - Parameter finished: what was done, as far as it came.
    private func transcode(
        _ interruption: Interruption, _ display: ProgressDisplay, _ finished: inout Report
    ) throws {
        var options = try choices.options()
        if let threads, !(1...64).contains(threads) {
            throw Failure(.usage, "--threads takes a number from 1 to 64")
        }
        options.threads = threads
        options.hashesOutput = report != nil
        var endpoints = Endpoints(isCancelled: interruption.isRequested)
        defer { endpoints.close() }
        while true {
            // The output before the input: an existing one is refused before any work.
            let sink = try endpoints.output(output, profile: options.profile, overwrite: overwrite)
            let source = try endpoints.input(input)
            let transcode = Transcode(
                from: source, to: sink, options: options, progress: display.show,
                isCancelled: interruption.isRequested)
            defer {
                finished = transcode.report
                if let source = source as? RemoteSource {
                    finished.describe(source: source)
                    source.close()
                }
                if let sink = sink as? StoreSink { finished.describe(sink: sink) }
            }
            do {
                try transcode.run()
                return
            } catch let error as MediaError where error.copyFault != nil && source.isSeekable {
                options.copyFault = error.copyFault
            }
        }
    }

    private func summarise(_ finished: Report) {
        guard let output = finished.output, let plan = finished.plan else { return }
        print(
            "\(output.location): \(output.width)x\(output.height), \(Text.short(output.frameRate)) fps, "
                + "\(Text.short(output.durationSeconds)) s, \(Text.megabytes(output.bytes))")
        print("picture: \(plan.video.action) (\(plan.video.reasons.joined(separator: ", ")))")
        print("sound:   \(plan.audio.action) (\(plan.audio.reasons.joined(separator: ", ")))")
        for warning in finished.warnings { print("warning: \(warning)") }
        for track in finished.input?.skippedTracks ?? [] {
            print("skipped: track \(track.index) (\(track.kind), \(track.codec)) \(track.reason)")
        }
        print("took \(Text.short(finished.timings.wallSeconds)) s; checked against \(plan.profile): ready")
    }
}

/// The options that transcode and inspect share.
struct TranscodeChoices: ParsableArguments {
    @Option(help: "reels, story or any.")
    var profile = "reels"

    @Flag(help: "Never copy a stream.")
    var forceEncode = false

    @Option(help: "x264's preset instead of the planned one.")
    var preset: String?

    @Option(help: "x264's constant rate factor instead of the planned one.")
    var crf: Double?

    private static let presets = [
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
    ]

    func options() throws -> Transcode.Options {
        var options = Transcode.Options()
        guard let named = Profile.named(profile) else {
            throw Failure(.usage, "there is no profile \(profile); choose reels, story or any")
        }
        if let preset, !TranscodeChoices.presets.contains(preset) {
            throw Failure(
                .usage,
                "x264 has no preset \(preset); choose one of \(TranscodeChoices.presets.joined(separator: ", "))")
        }
        if let crf, !(0...51).contains(crf) { throw Failure(.usage, "--crf takes a number from 0 to 51") }
        options.profile = named
        options.forceEncode = forceEncode
        options.preset = preset
        options.crf = crf
        return options
    }
}
