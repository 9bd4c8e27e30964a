/// How the engine starts, grows with length and shares the cores.
enum EngineShape {
    static func start(_ options: BenchOptions, _ result: inout CaseResult) throws {
        var contest = Contest()
        contest.add("reelway --version", Command(Workplace.reelway, ["--version"]))
        contest.add("ffmpeg 5.1 -version", Command(Workplace.debianFFmpeg, ["-version"]))
        contest.add("ffmpeg 9 -version", Command(try Workplace.newestFFmpeg(), ["-version"]))
        try contest.run(times: options.runs ?? (options.quick ? 10 : 40), into: &result)
        for (peer, name) in [
            ("ffmpeg 5.1 -version", "ffmpeg 5.1"), ("ffmpeg 9 -version", "ffmpeg 9, linked statically"),
        ] {
            result.demand(
                "5.7", "start: wall to \(name)", atMost: 1.5, try result.ratio("reelway --version", to: peer), "×")
        }
    }

    static func inspect(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let file = try NaturalClips(folder: options.clips).conforming(seconds: 120, megabits: 14)
        let size = try Files.size(file)
        let drive = try OneDriveStandIn(serving: [file])
        let usage = try Command(
            Workplace.reelway, ["inspect", "onedrive:\(try drive.item(file))", "--json"], environment: drive.environment
        ).run()
        let requests = try drive.stop().filter { $0.path.hasPrefix("/personal/") }
        let bytes = requests.map(\.bytesSent).reduce(0, +)
        result.rows = [
            Row(
                program: "reelway inspect", runs: [usage],
                figures: [
                    Figure(name: "file MB", value: Double(size) / 1e6),
                    Figure(name: "downloads", value: Double(requests.count)),
                    Figure(name: "MiB sent by the server", value: Double(bytes) / 1_048_576),
                ])
        ]
        result.demand("5.7", "inspect of 200 MB: sent by the server", atMost: 2, Double(bytes) / 1_048_576, "MiB")
    }

    static func growth(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let clips = try NaturalClips(folder: options.clips)
        let path = Programs.output("growth")
        // Held, as short videos are planned with a faster preset, and with so few bits that the ceiling of the longest
        // takes none away.
        let settings = ["--force-encode", "--preset", "veryfast", "--crf", "34"]
        let lengths = options.quick ? [10, 30, 60] : [10, 60, 300, 900]
        // In turn, the short ones oftener: what disturbs them weighs more.
        var turns = options.quick ? lengths : [10, 10, 10, 60, 300, 10, 10, 10, 60, 900, 10, 10, 10, 60, 300]
        if let runs = options.runs { turns = (0..<runs).flatMap { _ in lengths } }
        var rows: [Int: Row] = [:]
        for seconds in turns {
            var contest = Contest()
            contest.add("\(seconds) s", Programs.reelway(try clips.even(seconds: seconds), path, settings)) {
                try Programs.figures(of: path)
            }
            let row = try contest.run(times: 1)[0]
            rows[seconds, default: Row(program: row.program, figures: row.figures)].runs += row.runs
        }
        result.rows = lengths.compactMap { rows[$0] }
        for (index, seconds) in lengths.enumerated() {
            let row = result.rows[index]
            result.rows[index].figures += [
                Figure(name: "wall ms a second", value: row.wall / Double(seconds) * 1000),
                Figure(name: "CPU ms a second", value: row.cpu / Double(seconds) * 1000),
                Figure(name: "cores used", value: row.runs.map { $0.cpu / $0.wall }.median),
            ]
        }
        for name in ["wall", "CPU"] {
            let values = try result.rows.map { try $0.figure("\(name) ms a second") }
            let middle = values.median
            let spread = values.map { abs($0 / middle - 1) }.max() ?? .infinity
            result.demand("5.8", "growth: \(name) of a second, farthest from the median", atMost: 5, spread * 100, "%")
        }
        let cores = try result.rows[result.rows.count - 1].figure("cores used")
        result.demand("5.8", "cores used while encoding, of \(result.machine.cores)", atLeast: 1.9, cores, "")
        let peaks = result.rows.compactMap(\.peakBytes)
        if let shorter = peaks.dropFirst().first, let longest = peaks.last {
            result.demand(
                "5.6", "memory: \(lengths[lengths.count - 1]) s to \(lengths[1]) s", atMost: 1.05, longest / shorter,
                "×")
        }
    }

    static func share(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).mixed(seconds: 16)
        let data = Workplace.scratch("perf.data")
        let own = Programs.reelway(source, Programs.output("share"), ["--force-encode"])
        try Command("perf", ["record", "-q", "-F", "299", "-o", data, "--", own.program] + own.arguments).run()
        let text = try Command("perf", ["report", "-i", data, "--sort", "dso", "--stdio", "-q"]).text()
        var codecs = 0.0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 2, words[0].hasSuffix("%"), let share = Double(words[0].dropLast()) else { continue }
            if words[1].hasPrefix("libx264") || words[1].hasPrefix("libavcodec") { codecs += share }
            if share >= 0.3 {
                result.rows.append(Row(program: String(words[1]), figures: [Figure(name: "% of CPU", value: share)]))
            }
        }
        result.demand("5.4", "decoders and encoders, of the processor time of an encode", atLeast: 92, codecs, "%")
    }

    static func jobs(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let seconds = options.quick ? 10 : 30
        let source = try NaturalClips(folder: options.clips).even(seconds: seconds)
        let counts = [1, 2, 4]
        var walls: [Int: [Double]] = [:]
        result.rows = counts.map { Row(program: "\($0) at once") }
        for _ in 0..<(options.runs ?? (options.quick ? 1 : 3)) {
            for (index, count) in counts.enumerated() {
                let begun = ContinuousClock.now
                let children = try (0..<count).map { number in
                    try Child(Programs.reelway(source, Programs.output("job-\(number)"), ["--force-encode"]))
                }
                for child in children { result.rows[index].runs.append(try child.finish()) }
                let wall = begun.duration(to: .now) / .seconds(1)
                walls[count, default: []].append(wall)
                Progress.say("\(count) at once: \(Numbers.short(wall)) s")
            }
        }
        var speeds: [Double] = []
        for (index, count) in counts.enumerated() {
            let speed = Double(count * seconds) / (walls[count] ?? []).median
            speeds.append(speed)
            result.rows[index].figures = [Figure(name: "video s a wall s, all jobs", value: speed)]
        }
        for (count, speed) in zip(counts, speeds).dropFirst() {
            result.demand(
                "5.8", "throughput of \(count) jobs to that of one (3 % is noise)", atLeast: 0.97, speed / speeds[0],
                "×")
        }
    }
}
