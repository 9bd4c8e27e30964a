import ArgumentParser

/// OneDrive to the object store, beside a script that downloads, encodes and uploads.
struct StreamCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stream", abstract: "OneDrive to an S3 store over links of known speed, beside a script.")

    @OptionGroup var options: BenchOptions

    func run() throws {
        try BenchCase.run(StreamCases.all, part: "stream", options)
    }
}

/// What streaming is measured by.
enum StreamCases {
    static let all = [
        BenchCase(name: "encode", title: "1080p30 of 17 Mb/s, encoded, over links of 12 MiB/s", body: encode),
        BenchCase(name: "copy", title: "105 MB that conform, over links of 25 and 20 MiB/s", body: copy),
        BenchCase(name: "length", title: "Memory by length, into the store, as fast as it goes", body: length),
        BenchCase(name: "connections", title: "Links that limit each connection to 4 MiB/s", body: connections),
    ]
    private static let part = 8.0 * 1_048_576
    private static let window = 32.0 * 1_048_576

    /// The steps of a script, and all of them in a row. Each ends when its file is there.
    private struct Script {
        let download: String
        let encode: String
        let upload: String
        var whole: String { "\(download) && \(encode) && \(upload)" }

        init(_ drive: OneDriveStandIn, _ source: String, _ encoding: [String], _ link: StoreLink, _ name: String) throws
        {
            let (fetched, encoded) = (Programs.output("\(name)-fetched"), Programs.output("\(name)-encoded"))
            let url =
                try drive.properties(source) + #" | sed -E 's/.*"@microsoft.graph.downloadUrl" ?: ?"([^"]*)".*/\1/'"#
            download = "curl -sSf -o '\(fetched)' \"$(\(url))\""
            let words =
                ["-nostdin", "-v", "error", "-y", "-i", fetched] + encoding + ["-movflags", "+faststart", encoded]
            encode = (["ffmpeg"] + words.map { "'\($0)'" }).joined(separator: " ")
            upload = link.upload(encoded, as: "\(name)-script.mp4")
        }
    }

    private static func shell(_ script: String) -> Command { Command("bash", ["-euo", "pipefail", "-c", script]) }

    private static func disk(_ row: Row) -> Figure {
        Figure(name: "MiB to disk", value: row.runs.compactMap(\.diskBytes).map(Double.init).median / 1_048_576)
    }

    private static func encode(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let rate = 12.0
        let source = try NaturalClips(folder: options.clips).mixed(seconds: options.quick ? 16 : 30)
        let drive = try OneDriveStandIn(serving: [source], ["--bandwidth-mib", "\(rate)"])
        let link = try StoreLink(["--up-mib", "\(rate)"])
        let local = Programs.output("stream-local")
        let report = Workplace.scratch("stream.json")
        let file = Programs.reelway(source, local, ["--force-encode"])
        try Programs.reelway(source, local, ["--force-encode", "--report", report]).run()
        let preset = try ReelwayReport(report).plan?.video.preset ?? "veryfast"
        let script = try Script(
            drive, source,
            try Programs.equalX264(preset: preset, to: local), link, "encode")
        let target = link.object("encode.mp4")
        func streamed(_ more: [String]) throws -> Command {
            var command = Programs.reelway("onedrive:\(try drive.item(source))", target, ["--force-encode"] + more)
            command.environment = drive.environment.merging(link.environment) { $1 }
            return command
        }
        let own = try streamed([])
        // For its report the object is fetched once more: a run of its own tells the tail.
        let reporting = try streamed(["--report", report])
        var tails: [Double] = []
        result.inTurn = true
        var contest = Contest()
        // Each of the two that are compared comes after a step that leaves the cores alone.
        contest.add("download alone", shell(script.download))
        contest.add("Reelway, streamed", own) { [] }
        contest.add("upload alone", shell(script.upload))
        contest.add("Reelway, file to file", file)
        // The scripts are far behind and take minutes, in which a shared machine changes its pace: once is enough.
        var scripts = Contest()
        scripts.add("script: curl, ffmpeg 5.1, curl", shell(script.whole))
        for (preset, crf) in [("medium", 23), ("veryfast", 20)] {
            let name = "encode-\(preset)"
            let other = try Script(drive, source, Programs.x264(preset: preset, crf: crf), link, name)
            scripts.add("script, \(preset) crf \(crf)", shell(other.whole))
        }
        // The file that is uploaded alone.
        try shell("\(script.download) && \(script.encode)").run()
        for _ in 0..<(options.runs ?? (options.quick ? 1 : 5)) {
            let rows = try contest.run(times: 1)
            if result.rows.isEmpty { result.rows = rows.map { Row(program: $0.program) } }
            for index in rows.indices { result.rows[index].runs += rows[index].runs }
            try reporting.run()
            tails.append(try ReelwayReport(report).timings.tailSeconds)
        }
        result.rows += try scripts.run(times: 1)
        try drive.stop()
        try link.stop()
        let encoded = try result.row("Reelway, streamed")
        let longest = try zip(
            zip(result.row("download alone").runs, result.row("upload alone").runs),
            result.row("Reelway, file to file").runs
        ).map { max($0.0.wall, $0.1.wall, $1.wall) }
        let over = zip(encoded.runs, longest).map { ($0.wall - 0.3) / $1 }.median
        for index in result.rows.indices { result.rows[index].figures.append(disk(result.rows[index])) }
        // The table compares with its first row.
        result.rows.swapAt(0, 1)
        result.rows[0].figures.append(Figure(name: "tail s", value: tails.median))
        result.demand("3", "streamed encode: wall less 0.3 s to the longest step alone", atMost: 1.05, over, "×")
        result.demand("3", "tail after the last packet", atMost: part / (rate * 1_048_576) + 0.2, tails.median, "s")
        if let peak = encoded.peakBytes, let base = try result.row("Reelway, file to file").peakBytes {
            result.demand(
                "3", "peak memory beyond file to file", atMost: (window + 4 * part) / 1_048_576,
                (peak - base) / 1_048_576, "MiB")
        }
        result.notes.append("The stand-in, the proxy and the store run on the same cores.")
    }

    private static func copy(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let (down, up) = (25.0, 20.0)
        let source = try NaturalClips(folder: options.clips).conforming(seconds: 60, megabits: 14)
        let drive = try OneDriveStandIn(serving: [source], ["--bandwidth-mib", "\(down)"])
        let link = try StoreLink(["--up-mib", "\(up)"])
        let script = try Script(drive, source, ["-c", "copy"], link, "copy")
        var own = Programs.reelway("onedrive:\(try drive.item(source))", link.object("copy.mp4"))
        own.environment = drive.environment.merging(link.environment) { $1 }
        var contest = Contest()
        contest.add("Reelway, streamed", own)
        contest.add("script: curl, ffmpeg 5.1, curl", shell(script.whole))
        try contest.run(times: options.runs ?? (options.quick ? 1 : 5), into: &result)
        let sent = try drive.stop().filter { $0.path.hasPrefix("/personal/") }.map(\.bytesSent).reduce(0, +)
        try link.stop()
        let size = Double(try Files.size(source))
        let runs = Double(result.rows[0].runs.count)
        // The script reads the file once each time, too.
        let share = Double(sent) / size / runs - 1
        let needed = size / (min(down, up) * 1_048_576)
        result.rows[0].figures = [
            Figure(name: "wall to the slower link's", value: result.rows[0].wall / needed),
            Figure(name: "bytes read of the source's", value: share), disk(result.rows[0]),
        ]
        result.rows[1].figures = [
            Figure(name: "wall to the slower link's", value: result.rows[1].wall / needed), disk(result.rows[1]),
        ]
        result.demand(
            "3", "streamed copy of 105 MB: wall to the slower link's time", atMost: 1.15, result.rows[0].wall / needed,
            "×")
    }

    private static func length(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let clips = try NaturalClips(folder: options.clips)
        for seconds in options.quick ? [30, 60] : [60, 900] {
            let source = try clips.even(seconds: seconds)
            let (drive, link) = (try OneDriveStandIn(serving: [source]), try StoreLink())
            var own = Programs.reelway(
                "onedrive:\(try drive.item(source))", link.object("length.mp4"),
                ["--force-encode", "--preset", "ultrafast", "--overwrite"])
            own.environment = drive.environment.merging(link.environment) { $1 }
            let usage = try own.run()
            try drive.stop()
            try link.stop()
            var row = Row(program: "\(seconds) s", runs: [usage])
            row.figures = [disk(row)]
            result.rows.append(row)
        }
        // Without a report, which is a file.
        let bytes = result.rows.flatMap(\.runs).compactMap(\.diskBytes).map(Double.init)
        result.demand("3", "streamed: bytes to a disk", atMost: 0, bytes.max() ?? .nan, "")
        if let short = result.rows[0].peakBytes, let long = result.rows[1].peakBytes {
            result.demand(
                "3", "streamed: memory of \(result.rows[1].program) to that of \(result.rows[0].program)", atMost: 1.05,
                long / short, "×")
        }
    }

    private static func connections(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).conforming(seconds: options.quick ? 16 : 30, megabits: 14)
        let downDrive = try OneDriveStandIn(serving: [source], ["--connection-bandwidth-mib", "4"])
        let freeDrive = try OneDriveStandIn(serving: [source])
        let (freeLink, upLink) = (try StoreLink(), try StoreLink(["--connection-up-mib", "4"]))
        var contest = Contest()
        for (what, drive, link, setting) in [
            ("download", downDrive, freeLink, "REELWAY_DOWNLOAD_CONNECTIONS"),
            ("upload", freeDrive, upLink, "REELWAY_UPLOAD_CONNECTIONS"),
        ] {
            for count in [1, 2] {
                var own = Programs.reelway("onedrive:\(try drive.item(source))", link.object("\(what)-\(count).mp4"))
                own.environment = drive.environment.merging(link.environment) { $1 }
                own.environment[setting] = "\(count)"
                contest.add("\(what), \(count == 1 ? "one connection" : "two connections")", own)
            }
        }
        try contest.run(times: options.runs ?? (options.quick ? 1 : 3), into: &result)
        for drive in [downDrive, freeDrive] { try drive.stop() }
        for link in [freeLink, upLink] { try link.stop() }
        for what in ["download", "upload"] {
            result.demand(
                "3", "limited connections, \(what): wall of two to one", atMost: 0.7,
                try result.ratio("\(what), two connections", to: "\(what), one connection"), "×")
        }
    }
}
