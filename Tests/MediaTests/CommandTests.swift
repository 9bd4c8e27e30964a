import Foundation
import Testing

@testable import Media

struct CommandTests {
    private func reelway(_ arguments: [String], input: String? = nil, limit: Double = 60) throws -> Shell.Result {
        try Shell.run(Repository.program, arguments, input: input, limit: limit)
    }

    @Test func `a transcode exits 0 and names its output`() throws {
        let folder = try Scratch.folder()
        let result = try reelway([
            "transcode", Fixture.path("sync-30fps.mp4"), folder + "/out.mp4", "--preset", "superfast",
        ])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.text.contains("out.mp4"))
        #expect(try Scratch.contents(of: folder) == ["out.mp4"])
        #expect(try Judge.conforms(folder + "/out.mp4", Judge.Allowance(copiedVideo: true)) == [])
    }

    @Test(
        arguments: [
            ("none.mp4", 66, "input_not_found"), ("bad-text.mp4", 65, "unsupported_container"),
            ("bad-too-short.mp4", 65, "too_short"), ("bad-hour-long.mp4", 65, "too_long"),
            ("bad-audio-only.mp4", 65, "no_video_stream"), ("bad-truncated-data.mp4", 65, "source_truncated"),
            ("bad-damaged-30-percent.mp4", 65, "source_corrupt"),
            ("bad-unknown-video-codec.mp4", 65, "unsupported_video_codec"),
        ] as [(String, Int32, String)])
    func `each failure has its exit status and one line of its code`(name: String, status: Int32, code: String) throws {
        let folder = try Scratch.folder()
        let result = try reelway(["transcode", Fixture.path(name), folder + "/out.mp4", "--progress", "none"])
        #expect(result.status == status)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].hasPrefix("reelway: \(code): "), "\(result.errors)")
        #expect(try Scratch.contents(of: folder) == [])
    }

    @Test(arguments: [
        ["transcode"], ["transcode", "only-one.mp4"], ["nonsense"], ["transcode", "a", "b", "--profile", "tiktok"],
        ["transcode", "a", "b", "--crf", "abc"], ["transcode", "a", "b", "--threads", "0"],
        ["transcode", "a", "b", "--preset", "warp"], ["transcode", "a", "b", "--progress", "loud"], ["inspect"],
    ])
    func `a wrong call exits 64 before any work`(arguments: [String]) throws {
        let result = try reelway(arguments)
        #expect(result.status == 64, "\(result.status): \(result.errors)")
        #expect(!result.errors.isEmpty)
    }

    @Test func `what a call lacks is told by a word`() throws {
        let result = try reelway(["retry"])
        #expect(result.status == 64 && result.errors.contains("'<video-id> ...'"), "\(result.errors)")
    }

    @Test func `a full disk behind standard error changes nothing, and one behind standard output is told`() throws {
        let folder = try Scratch.folder()
        func run(_ command: String) throws -> Shell.Result {
            try Shell.run("/bin/sh", ["-c", "exec \"$0\" \(command)", Repository.program], limit: 60)
        }
        #expect(try run("inspect none.mp4 2>/dev/full").status == 66)
        let clip = Fixture.path("copy-no-audio.mp4")
        #expect(try run("transcode \(clip) \(folder)/out.mp4 --progress plain 2>/dev/full").status == 0)
        #expect(try Scratch.contents(of: folder) == ["out.mp4"])
        let lost = try run("inspect \(clip) --json >/dev/full")
        #expect(lost.status == 73 && lost.errors.hasPrefix("reelway: storage_rejected: "), "\(lost.errors)")
    }

    @Test func `a reader that has gone ends no transcode, and is told where it missed what was asked for`() throws {
        let folder = try Scratch.folder()
        func run(_ descriptor: Int, _ command: String) throws -> Shell.Result {
            let gone = "exec \(descriptor)> >(exit); wait $!; exec env --default-signal=PIPE \"$0\" \(command)"
            return try Shell.run("bash", ["-c", gone, Repository.program], limit: 60)
        }
        let clip = Fixture.path("copy-no-audio.mp4")
        #expect(try run(1, "transcode \(clip) \(folder)/out.mp4 --progress json").status == 0)
        #expect(try run(2, "transcode \(clip) \(folder)/two.mp4 --progress plain").status == 0)
        #expect(try Scratch.contents(of: folder) == ["out.mp4", "two.mp4"])
        for command in ["inspect \(clip) --json", "transcode \(clip) \(folder)/three.mp4 --progress none --report -"] {
            let lost = try run(1, command)
            #expect(lost.status == 73 && lost.errors.hasPrefix("reelway: storage_rejected: "), "\(lost.errors)")
        }
    }

    @Test func `an output that exists is refused before any work, and replaced with --overwrite`() throws {
        let output = try Scratch.folder() + "/out.mp4"
        try Data("mine".utf8).write(to: URL(fileURLWithPath: output))
        let refused = try reelway(["transcode", Fixture.path("sync-30fps.mp4"), output])
        #expect(refused.status == 73 && refused.errors.hasPrefix("reelway: output_exists: "), "\(refused.errors)")
        #expect(try String(contentsOfFile: output, encoding: .utf8) == "mine")
        let replaced = try reelway(["transcode", Fixture.path("copy-no-audio.mp4"), output, "--overwrite"])
        #expect(replaced.status == 0, "\(replaced.errors)")
        #expect(try Judge.conforms(output, Judge.Allowance(copiedVideo: true)) == [])
    }

    @Test func `an output in no folder, or that is a folder, exits 73`() throws {
        let folder = try Scratch.folder()
        for output in [folder + "/none/out.mp4", folder] {
            let result = try reelway(["transcode", Fixture.path("sync-30fps.mp4"), output])
            #expect(result.status == 73, "\(result.errors)")
        }
        #expect(try Scratch.contents(of: folder) == [])
    }

    @Test func `a name that no file can get is refused before any work`() throws {
        let folder = try Scratch.folder()
        try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "none")
        for (output, code) in [
            ("", "usage"), (folder + "/link", "output_exists"),
            (folder + "/" + String(repeating: "x", count: 256), "storage_rejected"),
        ] {
            // The source isn't looked at: that it is missing isn't said.
            let result = try reelway(["transcode", folder + "/none.mp4", output, "--progress", "none"])
            #expect(result.errors.hasPrefix("reelway: \(code): "), "\(result.errors)")
        }
        #expect(try reelway(["transcode", "", folder + "/out.mp4"]).status == 64)
        #expect(try Scratch.contents(of: folder) == ["link"])
    }

    @Test(arguments: ["-", "onedrive:ITEM", "https://store.example/clip.mp4?token=secret"])
    func `what can only be read is no OUTPUT`(output: String) throws {
        // The source isn't looked at: that it is missing isn't said.
        let result = try reelway(["transcode", "/none.mp4", output])
        #expect(result.status == 64)
        #expect(result.errors.hasPrefix("reelway: usage: nothing can be written there"), "\(result.errors)")
    }

    @Test func `--report writes the JSON of the contract, of a success and of a failure`() throws {
        let folder = try Scratch.folder()
        let good = try reelway(
            ["transcode", Fixture.path("copy-720p30-48k.mp4"), folder + "/out.mp4", "--report", folder + "/good.json"])
        #expect(good.status == 0, "\(good.errors)")
        let success = try JSONDecoder().decode(
            Report.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/good.json")))
        #expect(success.ok && success.error == nil && success.conformance?.ready == true)
        #expect(success.plan?.video.action == "copy")
        let size = try FileManager.default.attributesOfItem(atPath: folder + "/out.mp4")[.size] as? Int
        #expect(success.output.map { Int($0.bytes) } == size)
        let hash = try Shell.succeed("sha256sum", [folder + "/out.mp4"])
        #expect(
            success.output?.sha256 == String(decoding: hash, as: UTF8.self).split(separator: " ").first.map(String.init)
        )
        let bad = try reelway([
            "transcode", Fixture.path("bad-text.mp4"), folder + "/bad.mp4", "--report", "-", "--progress", "none",
        ])
        #expect(bad.status == 65)
        let failure = try JSONDecoder().decode(Report.self, from: bad.output)
        #expect(!failure.ok && failure.error?.code == "unsupported_container")
        #expect(failure.input == nil && failure.timings.wallSeconds > 0)
    }

    @Test func `the report of a failure holds what was known by then`() throws {
        let folder = try Scratch.folder()
        let early = try reelway([
            "transcode", Fixture.path("bad-hour-long.mp4"), folder + "/out.mp4", "--report", "-", "--progress", "none",
        ])
        let refused = try JSONDecoder().decode(Report.self, from: early.output)
        #expect(refused.error?.code == "too_long" && refused.plan == nil)
        #expect((refused.input?.durationSeconds ?? 0) > 3000 && refused.timings.bytesRead > 0)

        // The name is taken while the work goes on, which begins when the pipe is opened.
        #expect(mkfifo(folder + "/pipe", 0o600) == 0)
        let writer = "{ exec 3>\"$1\"; echo mine >\"$2\"; cat \"$0\" >&3; } &"
        let late = try Shell.run(
            "bash",
            ["-c", "\(writer) exec \"$3\" transcode \"$1\" \"$2\" --progress none --report -"]
                + [Fixture.path("container-moov-first.mp4"), folder + "/pipe", folder + "/out.mp4", Repository.program])
        let report = try JSONDecoder().decode(Report.self, from: late.output)
        #expect(late.status == 73 && !report.ok && report.error?.code == "output_exists", "\(late.errors)")
        #expect(report.input?.video != nil && report.plan != nil && report.output == nil)
        #expect(report.conformance == Report.ConformanceVerdict(ready: true, failures: []))
        let timings = report.timings
        #expect(timings.wallSeconds > 0 && timings.firstFrameSeconds > 0 && timings.encodeSeconds > 0)
        #expect(timings.bytesRead == Int64(try Fixture.bytes("container-moov-first.mp4").count))
        #expect(timings.bytesWritten > 0)
    }

    @Test func `a report that can't be written is refused before any work`() throws {
        let folder = try Scratch.folder()
        for report in [folder + "/none/report.json", folder] {
            for input in ["copy-no-audio.mp4", "none.mp4"] {
                let refused = try reelway([
                    "transcode", Fixture.path(input), folder + "/out.mp4", "--report", report, "--progress", "none",
                ])
                #expect(refused.status == 73, "\(refused.errors)")
                #expect(refused.errors.hasPrefix("reelway: storage_rejected: ") && refused.errors.contains(report))
                #expect(try Scratch.contents(of: folder) == [])
            }
        }
    }

    @Test func `a report that would take the video's place, or its source's, is refused before any work`() throws {
        let folder = try Scratch.folder()
        try FileManager.default.copyItem(atPath: Fixture.path("copy-no-audio.mp4"), toPath: folder + "/in.mp4")
        try FileManager.default.createSymbolicLink(atPath: folder + "/link.mp4", withDestinationPath: "in.mp4")
        let source = try Data(contentsOf: URL(fileURLWithPath: folder + "/in.mp4"))
        for report in ["/out.mp4", "/./out.mp4", "/in.mp4", "/link.mp4"] {
            let refused = try reelway([
                "transcode", folder + "/in.mp4", folder + "/out.mp4", "--report", folder + report, "--progress", "none",
            ])
            #expect(refused.status == 64 && refused.errors.hasPrefix("reelway: usage: "), "\(refused.errors)")
            #expect(try Scratch.contents(of: folder) == ["in.mp4", "link.mp4"])
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/in.mp4")) == source)
        }
    }

    @Test func `a report goes to a device as well`() throws {
        let folder = try Scratch.folder()
        let (clip, output) = (Fixture.path("copy-no-audio.mp4"), folder + "/out.mp4")
        let nowhere = try reelway(["transcode", clip, output, "--progress", "none", "--report", "/dev/null"])
        #expect(nowhere.status == 0, "\(nowhere.errors)")
        let reader = "mkfifo \"$3\" && { cat \"$3\" >\"$4\" & } &&"
        let piped = try Shell.run(
            "/bin/sh",
            [
                "-c", "\(reader) \"$0\" transcode \"$1\" \"$2\" --overwrite --progress none --report \"$3\" && wait",
                Repository.program, clip, output, folder + "/pipe", folder + "/report.json",
            ])
        #expect(piped.status == 0, "\(piped.errors)")
        let report = try Data(contentsOf: URL(fileURLWithPath: folder + "/report.json"))
        #expect(try JSONDecoder().decode(Report.self, from: report).ok)
    }

    @Test func `what only a copy fails by is encoded, unless it can't be read twice`() throws {
        let folder = try Scratch.folder()
        let clip = Fixture.path("size-change.mp4")
        let result = try reelway(["transcode", clip, folder + "/out.mp4", "--progress", "none", "--report", "-"])
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSONDecoder().decode(Report.self, from: result.output)
        #expect(report.ok && report.plan?.video.action == "encode")
        #expect(report.plan?.video.reasons.first?.contains("change in the middle") == true)
        #expect(try Judge.conforms(folder + "/out.mp4", Judge.Allowance()) == [])
        try Shell.ffmpeg(["-i", clip, "-c", "copy", "-movflags", "+faststart", folder + "/front.mp4"])
        let piped = try reelway(["transcode", "-", folder + "/piped.mp4"], input: folder + "/front.mp4")
        #expect(piped.status == 65 && piped.errors.contains("--force-encode"), "\(piped.errors)")
    }

    @Test func `a report takes another's place when it is complete`() throws {
        let folder = try Scratch.folder()
        try Data("older".utf8).write(to: URL(fileURLWithPath: folder + "/report.json"))
        #expect(mkfifo(folder + "/pipe", 0o600) == 0)
        let writer = "{ exec 3>\"$2/pipe\"; cp \"$2/report.json\" \"$2/meanwhile\"; cat \"$1\" >&3; } &"
        let command = "\"$0\" transcode \"$2/pipe\" \"$2/out.mp4\" --report \"$2/report.json\" --progress none"
        let result = try Shell.run(
            "bash",
            ["-c", "\(writer) exec \(command)", Repository.program, Fixture.path("container-moov-first.mp4"), folder])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try String(contentsOfFile: folder + "/meanwhile", encoding: .utf8) == "older")
        #expect(
            try JSONDecoder().decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/report.json")))
                .ok)
        #expect(try Scratch.contents(of: folder) == ["meanwhile", "out.mp4", "pipe", "report.json"])
    }

    /// The second is begun again, as a copy of it fails in the middle.
    @Test(arguments: ["size-2560x1440.mp4", "size-change.mp4"])
    func `--progress json prints an object a line that never goes back`(name: String) throws {
        let folder = try Scratch.folder()
        let result = try reelway(
            [
                "transcode", Fixture.path(name), folder + "/out.mp4", "--progress", "json", "--preset",
                "superfast",
            ])
        #expect(result.status == 0, "\(result.errors)")
        let steps = try Self.steps(result.text)
        #expect(steps.count >= 2)
        for (step, earlier) in zip(steps.dropFirst(), steps) {
            #expect(step.progress >= earlier.progress, "\(result.text)")
            #expect(step.bytesIn >= earlier.bytesIn && step.bytesOut >= earlier.bytesOut, "\(result.text)")
        }
        #expect(steps.allSatisfy { (0...1).contains($0.progress) })
        for line in result.text.split(separator: "\n") {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(
                object?.keys.sorted() == ["bytesIn", "bytesOut", "etaSeconds", "progress", "speed", "stage"], "\(line)")
        }
    }

    @Test func `--progress json leaves standard output to a report that goes there`() throws {
        let output = try Scratch.folder() + "/out.mp4"
        let result = try reelway(
            ["transcode", Fixture.path("copy-no-audio.mp4"), output, "--progress", "json", "--report", "-"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try JSONDecoder().decode(Report.self, from: result.output).ok)
        #expect(try !Self.steps(result.errors).isEmpty)
    }

    /// Each line as what it has to be.
    private static func steps(_ lines: String) throws -> [Media.Progress] {
        try lines.split(separator: "\n").map { try JSONDecoder().decode(Media.Progress.self, from: Data($0.utf8)) }
    }

    @Test func `a terminal that goes away ends the work as Ctrl-C does, unless that is to be ignored`() throws {
        let folder = try Scratch.folder()
        func run(_ prelude: String, _ arguments: String) throws -> Shell.Result {
            try Shell.run(
                "bash", ["-c", "\(prelude) exec \"$0\" transcode \(arguments) --progress none", Repository.program]
            ) {
                process in
                while !Shell.catches(SIGTERM, process) { usleep(1000) }
                kill(process, SIGHUP)
            }
        }
        let long = try run("", "\(Fixture.path("size-4k60-portrait.mp4")) \(folder)/long.mp4 --preset veryslow")
        #expect(long.status == 130 && long.errors.hasPrefix("reelway: cancelled: "), "\(long.status): \(long.errors)")
        let short = try run("trap '' HUP;", "\(Fixture.path("sync-30fps.mp4")) \(folder)/short.mp4 --force-encode")
        #expect(short.status == 0, "\(short.status): \(short.errors)")
        #expect(try Scratch.contents(of: folder) == ["short.mp4"])
    }

    @Test(arguments: ["- \"$2\" <>\"$1\"", "\"$1\" \"$2\""], [SIGINT, SIGTERM])
    func `the wait for a pipe in which nothing comes can be ended`(words: String, signal: Int32) throws {
        let folder = try Scratch.folder()
        #expect(mkfifo(folder + "/pipe", 0o600) == 0)
        let result = try Shell.run(
            "bash",
            ["-c", "exec \"$0\" transcode \(words)", Repository.program, folder + "/pipe", folder + "/out.mp4"],
            limit: 20
        ) { process in
            while !Shell.catches(SIGTERM, process) { usleep(1000) }
            usleep(300_000)
            kill(process, signal)
        }
        #expect(
            result.status == 130 && result.errors.contains("reelway: cancelled: "), "\(result.status): \(result.errors)"
        )
        #expect(try Scratch.contents(of: folder) == ["pipe"])
    }

    @Test func `a named pipe is read from its writer's coming to its going, however late and slow it is`() throws {
        let folder = try Scratch.folder()
        #expect(mkfifo(folder + "/pipe", 0o600) == 0)
        let writer = "{ sleep 0.5; { sleep 0.5; head -c 5000 \"$1\"; sleep 0.3; tail -c +5001 \"$1\"; } >\"$2/pipe\"; }"
        let result = try Shell.run(
            "bash",
            ["-c", "\(writer) & \"$0\" transcode \"$2/pipe\" \"$2/out.mp4\" --preset superfast --progress none"]
                + [Repository.program, Fixture.path("container-moov-first.mp4"), folder])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try Judge.conforms(folder + "/out.mp4", Judge.Allowance(copiedVideo: true)) == [])
    }

    @Test(arguments: [nil, 0, 0.4, 1.2])
    func `Ctrl-C ends within a second with 130 and leaves nothing`(after seconds: Double?) throws {
        let folder = try Scratch.folder()
        let arguments = [
            "transcode", Fixture.path("size-4k60-portrait.mp4"), folder + "/out.mp4", "--preset", "veryslow",
            "--progress", "none",
        ]
        let sent = Moment()
        let result = try Shell.run(Repository.program, arguments) { process in
            DispatchQueue.global().async {
                // Before the program has its handler, the signal ends it by itself.
                while seconds != nil, !Shell.catches(SIGINT, process) { usleep(1000) }
                usleep(UInt32((seconds ?? 0.05) * 1e6))
                sent.set()
                kill(process, SIGINT)
            }
        }
        let late = sent.secondsAgo
        #expect(result.status == 130, "\(result.status): \(result.errors)")
        if seconds != nil { #expect(result.errors.hasPrefix("reelway: cancelled: "), "\(result.errors)") }
        #expect(late < 2, "\(late) s")
        #expect(try Scratch.contents(of: folder) == [])
    }

    @Test(arguments: ["container-moov-first.mp4", "container.mkv", "container.ts", "container-fragmented.mp4"])
    func `standard input is read: from a pipe, and with the index at either end`(name: String) throws {
        let folder = try Scratch.folder()
        let result = try Shell.run(
            "bash",
            ["-c", "cat \"$0\" | \"$1\" transcode - \"$2\" --preset superfast --progress none"]
                + [Fixture.path(name), Repository.program, folder + "/out.mp4"])
        #expect(result.status == 0, "\(result.errors)")
        let faults = try Judge.conforms(folder + "/out.mp4", Judge.Allowance(copiedVideo: true))
        #expect(faults == [])
    }

    @Test func `a pipe that ends early is no success`() throws {
        let folder = try Scratch.folder()
        let result = try Shell.run(
            "bash",
            ["-c", "head -c 12000 \"$0\" | \"$1\" transcode - \"$2\" --progress none"]
                + [Fixture.path("container-moov-first.mp4"), Repository.program, folder + "/out.mp4"])
        #expect(result.status == 65 && result.errors.hasPrefix("reelway: source_truncated: "), "\(result.errors)")
        #expect(try Scratch.contents(of: folder) == [])
    }

    @Test(arguments: ["ultrafast", "superfast", "medium", "slower"])
    func `every preset keeps the profile`(name: String) throws {
        var options = Transcode.Options.quick(forceEncode: true)
        options.preset = name
        #expect(try Engine.run(Fixture.path("sync-30fps.mp4"), options).faults() == [])
    }

    @Test func `--force-encode, --preset, --crf and --threads reach the encoder`() throws {
        let folder = try Scratch.folder()
        func size(_ crf: String) throws -> Int64 {
            let arguments = [
                "transcode", Fixture.path("detail.mp4"), folder + "/\(crf).mp4", "--force-encode",
            ]
            let more = ["--preset", "superfast", "--crf", crf, "--threads", "1", "--report", folder + "/\(crf).json"]
            #expect(try reelway(arguments + more).status == 0)
            let report = try JSONDecoder().decode(
                Report.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/\(crf).json")))
            #expect(report.plan?.video.preset == "superfast" && report.plan?.video.crf == Double(crf))
            return report.output?.bytes ?? 0
        }
        #expect(try size("40") < size("10"))
    }

    @Test func `inspect speaks to people and, with --json, to programs`() throws {
        let people = try reelway(["inspect", Fixture.path("hdr-hlg.mp4")])
        #expect(people.status == 0 && people.text.lowercased().contains("hevc"), "\(people.text)")
        let plain = try reelway(["inspect", Fixture.path("container.wmv")])
        #expect(plain.text.contains("picture: wmv2, 320x180"), "\(plain.text)")
        let programs = try reelway(["inspect", Fixture.path("hdr-hlg.mp4"), "--json"])
        let object = try JSONSerialization.jsonObject(with: programs.output) as? [String: Any]
        #expect((object?["input"] as? [String: Any])?["video"] != nil)
        #expect(try reelway(["inspect", Fixture.path("none.mp4")]).status == 66)
        #expect(try reelway(["inspect", Fixture.path("bad-text.mp4")]).status == 65)
    }
}

/// A moment noted on another thread.
private final class Moment: @unchecked Sendable {
    private let lock = NSLock()
    private var moment: ContinuousClock.Instant?

    func set() { lock.withLock { moment = ContinuousClock.now } }

    var secondsAgo: Double {
        lock.withLock { moment }.map { (ContinuousClock.now - $0) / .seconds(1) } ?? .infinity
    }
}
