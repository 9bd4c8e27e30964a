import ArgumentParser

/// The engine beside ffmpeg programs, on files.
struct EngineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "File to file, beside Debian's ffmpeg and the newest one.")

    @OptionGroup var options: BenchOptions

    func run() throws {
        try BenchCase.run(EngineCases.all, part: "engine", options)
    }
}

/// What the engine is measured by.
enum EngineCases {
    static let all = [
        BenchCase(
            name: "equal", title: "1080p30 H.264 of 17 Mb/s, equal x264 settings (veryfast, crf 20)", body: equal),
        BenchCase(name: "planned", title: "1080p30 H.264 of 17 Mb/s, Reelway's own settings", body: planned),
        BenchCase(name: "hdr", title: "4K HLG HEVC of 10 bits to 1080p SDR", body: hdr),
        BenchCase(name: "copy", title: "What conforms is copied: 1080p30, 60 s of 14 Mb/s", body: copy),
        BenchCase(name: "start", title: "Start of the program", body: EngineShape.start),
        BenchCase(
            name: "inspect", title: "inspect of a remote file of 200 MB, its index at the end",
            body: EngineShape.inspect),
        BenchCase(
            name: "growth", title: "The same second again and again: time and memory by length (veryfast, crf 34)",
            body: EngineShape.growth),
        BenchCase(
            name: "share", title: "Where the processor time of an encode goes, by library (perf)",
            body: EngineShape.share),
        BenchCase(name: "jobs", title: "Several jobs at once", body: EngineShape.jobs),
    ]

    private static func equal(_ options: BenchOptions, _ result: inout CaseResult) throws {
        // A short clip often: what the machine does beside changes within a minute.
        let source = try NaturalClips(folder: options.clips).mixed(seconds: 16)
        let own = Programs.output("equal-reelway")
        let reelway = Programs.reelway(source, own, ["--force-encode", "--preset", "veryfast", "--crf", "20"])
        try reelway.run()
        let settings = try Programs.equalX264(preset: "veryfast", to: own)
        var contest = Contest()
        contest.addReelway(reelway, options) { try Programs.figures(of: own) }
        let newest = try Workplace.newestFFmpeg()
        var peers = [("ffmpeg 9", newest, settings), ("ffmpeg 5.1", Workplace.debianFFmpeg, settings)]
        if try Workplace.hasAVX512() {
            // How much of the difference comes from x264's functions, of which Reelway leaves these out.
            let settings = try Programs.equalX264(preset: "veryfast", to: own, and: ["asm=avx2"])
            peers.append(("ffmpeg 9, x264 told to do without AVX-512", newest, settings))
        }
        for (name, program, settings) in peers {
            let path = Programs.output("equal-\(name)")
            contest.add(name, Programs.ffmpeg(program, source, path, settings)) { try Programs.figures(of: path) }
        }
        try contest.run(times: options.runs ?? (options.quick ? 2 : 9), into: &result)
        let differences = try X264Settings(of: own).differences(
            from: X264Settings(of: Programs.output("equal-ffmpeg 5.1")))
        if !differences.isEmpty {
            result.notes.append("x264 settings that differ: \(differences.joined(separator: "; ")).")
        }
        result.demand(
            "5.1", "equal x264 settings: wall to ffmpeg 9", atMost: 0.97, try result.ratio("Reelway", to: "ffmpeg 9"),
            "×")
        result.demand(
            "2", "equal x264 settings: wall to ffmpeg 5.1", atMost: 1, try result.ratio("Reelway", to: "ffmpeg 5.1"),
            "×")
        for name in ["ffmpeg 9", "ffmpeg 5.1"] {
            if let memory = try result.row("Reelway").peakBytes, let peer = try result.row(name).peakBytes {
                result.demand("5.6", "equal x264 settings: peak memory to \(name)", atMost: 1, memory / peer, "×")
            }
        }
    }

    private static func planned(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).mixed(seconds: options.quick ? 16 : 30)
        let newest = try Workplace.newestFFmpeg()
        let every = options.quick ? 4 : 1
        let own = Programs.output("planned-reelway")
        var contest = Contest()
        contest.addReelway(Programs.reelway(source, own, ["--force-encode"]), options) {
            try Programs.figures(of: own, against: source, every: every)
        }
        for (preset, crf) in [("veryfast", 20), ("medium", 23)] {
            let path = Programs.output("planned-\(preset)")
            contest.add(
                "ffmpeg 9 \(preset) crf \(crf)",
                Programs.ffmpeg(newest, source, path, Programs.x264(preset: preset, crf: crf))
            ) { try Programs.figures(of: path, against: source, every: every) }
        }
        try contest.run(times: options.runs ?? (options.quick ? 1 : 5), into: &result)
        let reelway = try result.row("Reelway")
        for (peer, limit) in [("ffmpeg 9 veryfast crf 20", 0.65), ("ffmpeg 9 medium crf 23", 0.40)] {
            result.demand(
                "5.2", "planned settings: wall to \(peer)", atMost: limit, try result.ratio("Reelway", to: peer), "×")
            result.demand(
                "5.2", "planned settings: VMAF less that of \(peer)", atLeast: 0,
                try reelway.figure("VMAF") - result.row(peer).figure("VMAF"), "")
            result.demand(
                "5.2", "planned settings: size to \(peer)", atMost: 1.6,
                try reelway.figure("size MB") / result.row(peer).figure("size MB"), "×")
        }
    }

    private static func hdr(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).hlg(seconds: options.quick ? 4 : 8)
        let newest = try Workplace.newestFFmpeg()
        let light =
            "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=tv"
        let usual = "\(light),format=yuv420p,scale=1920:1080"
        let best = "zscale=1920:1080,\(light),format=yuv420p"
        let x264 = Programs.x264(preset: "veryfast", crf: 20)
        let (own, same) = (Programs.output("hdr-reelway"), Programs.output("hdr-equal"))
        var contest = Contest()
        contest.addReelway(Programs.reelway(source, own), options) { try Programs.figures(of: own) }
        contest.add("Reelway veryfast crf 20", Programs.reelway(source, same, ["--preset", "veryfast", "--crf", "20"]))
        {
            try Programs.figures(of: same)
        }
        var chains = [("ffmpeg 9, tone-mapped at 4K", newest, usual), ("ffmpeg 9, scaled first", newest, best)]
        if !options.quick {
            chains.append(("ffmpeg 5.1, tone-mapped at 4K", Workplace.debianFFmpeg, usual))
            chains.append(("ffmpeg 5.1, scaled first", Workplace.debianFFmpeg, best))
        }
        for (name, program, filters) in chains {
            let path = Programs.output("hdr-peer")
            contest.add(name, Programs.ffmpeg(program, source, path, ["-vf", filters] + x264)) {
                try Programs.figures(of: path)
            }
        }
        try contest.run(times: options.runs ?? (options.quick ? 1 : 3), into: &result)
        for (name, words) in [
            ("Reelway", "planned settings"), ("Reelway veryfast crf 20", "the peer's preset and crf"),
        ] {
            result.demand(
                "5.3", "HDR 4K, \(words): wall to ffmpeg 9, tone-mapped at 4K", atMost: 0.42,
                try result.ratio(name, to: "ffmpeg 9, tone-mapped at 4K"), "×")
            result.demand(
                "5.3", "HDR 4K, \(words): wall to ffmpeg 9, scaled first", atMost: 0.80,
                try result.ratio(name, to: "ffmpeg 9, scaled first"), "×")
        }
    }

    private static func copy(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).conforming(seconds: 60, megabits: 14)
        let own = Programs.output("copy-reelway")
        // A run of its own, since a report costs a hash over the output.
        let report = Workplace.scratch("copy.json")
        try Programs.reelway(source, own, ["--report", report]).run()
        guard try ReelwayReport(report).plan?.video.action == "copy" else {
            throw BenchError("Reelway did not copy \(source)")
        }
        var contest = Contest()
        contest.addReelway(Programs.reelway(source, own), options) { try Programs.figures(of: own) }
        for (name, program) in [("ffmpeg 9", try Workplace.newestFFmpeg()), ("ffmpeg 5.1", Workplace.debianFFmpeg)] {
            let path = Programs.output("copy-peer")
            contest.add(name, Programs.ffmpeg(program, source, path, ["-c", "copy"])) { try Programs.figures(of: path) }
        }
        // The first round fills the page cache for all of them.
        try contest.run(times: 1 + (options.runs ?? (options.quick ? 5 : 15)), into: &result)
        for index in result.rows.indices { result.rows[index].runs.removeFirst() }
        for name in ["ffmpeg 9", "ffmpeg 5.1"] {
            result.demand("5.5", "copy: wall to \(name)", atMost: 1.2, try result.ratio("Reelway", to: name), "×")
            result.demand("5.5", "copy: CPU to \(name)", atMost: 1, try result.ratio("Reelway", to: name, \.cpu), "×")
        }
    }
}
