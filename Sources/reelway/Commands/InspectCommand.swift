import ArgumentParser
import Foundation
import Media

/// `reelway inspect INPUT`: what it is, what breaks the profile, what transcode would do.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say what a video is and what transcode would do with it.")

    @Argument(help: "A path, - for standard input, https://…, onedrive:ITEM_ID or onedrive:DRIVE_ID/ITEM_ID.")
    var input: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var choices: TranscodeChoices

    func run() throws {
        let interruption = Interruption()
        var endpoints = Endpoints(isCancelled: interruption.isRequested)
        defer { endpoints.close() }
        let inspection = try Inspection(
            endpoints.input(input), options: choices.options(), isCancelled: interruption.isRequested)
        if json {
            print(try JSON.text(of: inspection))
        } else {
            describe(inspection)
        }
        if let error = inspection.error {
            throw Failure(ErrorCode(rawValue: error.code) ?? .internal, error.message)
        }
    }

    private func describe(_ inspection: Inspection) {
        if let source = inspection.input {
            let duration = source.durationSeconds.map { "\(Text.short($0)) s" } ?? "length unknown"
            print(
                "\(source.name): \(source.container), \(duration)\(source.bytes.map { ", \(Text.megabytes($0))" } ?? "")"
            )
            if let video = source.video {
                let codec = [video.codec, video.profile].compactMap { $0 }.joined(separator: " ")
                var facts = [codec, "\(video.width)x\(video.height) \(video.pixelFormat)"]
                if (video.displayWidth, video.displayHeight) != (video.width, video.height) {
                    facts.append("shown as \(video.displayWidth)x\(video.displayHeight)")
                }
                if video.rotation != 0 { facts.append("turned \(video.rotation)°") }
                facts.append("\(Text.short(video.frameRate)) fps\(video.variableFrameRate ? " (variable)" : "")")
                facts.append(
                    [video.primaries, video.transfer, video.matrix, video.range].compactMap { $0 }.joined(
                        separator: "/"))
                if video.hdr { facts.append("HDR") }
                if video.interlaced { facts.append("interlaced") }
                print("picture: \(facts.joined(separator: ", "))")
            }
            if let audio = source.audio {
                print("sound:   \(audio.codec), \(audio.sampleRate) Hz, \(Text.count(audio.channels, of: "channel"))")
            } else {
                print("sound:   none")
            }
            for track in source.skippedTracks {
                print("skipped: track \(track.index) (\(track.kind), \(track.codec)) \(track.reason)")
            }
        }
        if let plan = inspection.plan {
            print("plan for \(plan.profile):")
            print("  picture: \(plan.video.action): \(plan.video.reasons.joined(separator: ", "))")
            if let preset = plan.video.preset, let crf = plan.video.crf, let most = plan.video.maxBitrate {
                print(
                    "           libx264 \(preset), CRF \(Text.short(crf)), at most \(Text.short(Double(most) / 1e6)) Mb/s"
                )
            }
            print("  sound:   \(plan.audio.action): \(plan.audio.reasons.joined(separator: ", "))")
        }
        guard let verdict = inspection.conformance else { return }
        print(verdict.ready ? "as it stands: ready" : "as it stands, it breaks:")
        for failure in verdict.failures { print("  \(failure.rule): \(failure.found); required: \(failure.required)") }
    }
}
