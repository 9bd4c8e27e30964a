import ArgumentParser

/// x264's settings against each other: what time, size and quality each gives.
struct ParetoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pareto", abstract: "x264 settings on four natural clips: time, size and VMAF.")

    @OptionGroup var options: BenchOptions

    @Option(help: "A setting of your own instead of the list, as \"superfast crf=20 bframes=0\"; may be given again.")
    var setting: [String] = []

    func run() throws {
        let settings = setting.isEmpty ? ParetoSettings.all : setting
        let title = "x264 settings on four natural clips of four seconds, 1080p30, by Debian's ffmpeg"
        // A list of one's own is no result to keep.
        var options = options
        if !setting.isEmpty { options.quick = true }
        try BenchCase.run(
            [BenchCase(name: "settings", title: title) { try measure(settings, $0, &$1) }], part: "pareto", options)
    }

    private func measure(_ settings: [String], _ options: BenchOptions, _ result: inout CaseResult) throws {
        let clips = try NaturalClips(folder: options.clips)
        let names = options.quick && setting.isEmpty ? ["park"] : NaturalClips.names
        let sources = try names.map(clips.clip)
        let decoding = try sources.map { source in
            try Command(
                Workplace.debianFFmpeg, ["-nostdin", "-v", "error", "-i", source, "-map", "0:v", "-f", "null", "-"]
            ).run()
        }
        let path = Programs.output("pareto")
        for setting in settings {
            var (runs, sizes, scores) = ([Usage](), [Double](), [Double]())
            for (index, source) in sources.enumerated() {
                var best: Usage?
                // The fastest of the runs: what disturbs only adds.
                for _ in 0..<(options.runs ?? 1) {
                    let usage = try ParetoSettings.command(setting, source, path).run()
                    if usage.cpu < best?.cpu ?? .infinity { best = usage }
                }
                if var best {
                    best.cpu -= decoding[index].cpu
                    runs.append(best)
                }
                sizes.append(Double(try Files.size(path)) / 1e6)
                scores.append(try Quality(of: path, against: source, every: options.quick ? 4 : 1).vmaf)
            }
            let figures =
                [
                    Figure(name: "CPU s, all clips", value: runs.map(\.cpu).reduce(0, +)),
                    Figure(name: "wall s, all clips", value: runs.map(\.wall).reduce(0, +)),
                    Figure(name: "MB, all clips", value: sizes.reduce(0, +)),
                    Figure(name: "VMAF, mean", value: scores.reduce(0, +) / Double(scores.count)),
                    Figure(name: "VMAF, least", value: scores.min() ?? .nan),
                ] + zip(names, scores).map { Figure(name: "VMAF \($0)", value: $1) }
            Progress.say(
                "\(setting): "
                    + figures.prefix(5).map { "\($0.name) \(Numbers.short($0.value))" }.joined(separator: ", "))
            result.rows.append(Row(program: setting, figures: figures))
        }
        // Cheapest first; a row is on the frontier if nothing cheaper is better and no larger.
        result.rows.sort { ($0.figures.first?.value ?? 0) < ($1.figures.first?.value ?? 0) }
        for index in result.rows.indices where try ParetoCommand.isOnFrontier(index, result.rows) {
            result.rows[index].program = "**\(result.rows[index].program)**"
        }
        result.notes.append(
            "CPU without decoding. No row that takes less CPU than a bold one is as good by VMAF (mean) at no larger size."
        )
    }

    private static func isOnFrontier(_ index: Int, _ rows: [Row]) throws -> Bool {
        let (size, score) = (try rows[index].figure("MB, all clips"), try rows[index].figure("VMAF, mean"))
        return try !rows[..<index].contains {
            try $0.figure("VMAF, mean") >= score && $0.figure("MB, all clips") <= size
        }
    }
}

/// The settings that are compared: a preset, then x264's own parameters.
enum ParetoSettings {
    static let all =
        [
            "ultrafast crf=16", "ultrafast crf=18", "ultrafast crf=18 cabac=1", "ultrafast crf=18 cabac=1 8x8dct=1",
            "ultrafast crf=18 cabac=1 8x8dct=1 aq-mode=1", "ultrafast crf=18 cabac=1 8x8dct=1 deblock=0,0",
        ]
        + [17, 18, 19, 20, 21, 22].map { "superfast crf=\($0)" }
        + [
            "superfast crf=20 bframes=0", "superfast crf=20 bframes=0 aq-mode=2",
            "superfast crf=20 bframes=0 aq-mode=0",
            "superfast crf=20 bframes=0 subme=2", "superfast crf=20 bframes=0 subme=0",
            "superfast crf=20 bframes=0 ref=2",
            "superfast crf=20 bframes=0 weightp=0", "superfast crf=20 bframes=0 trellis=1",
            "superfast crf=20 bframes=0 mbtree=1 rc-lookahead=10",
            "superfast crf=20 bframes=0 mbtree=1 rc-lookahead=20",
            "superfast crf=20 bframes=0 partitions=p8x8,i8x8,i4x4", "superfast crf=20 bframes=1 b-adapt=0",
            "superfast crf=19 bframes=0 me=dia", "superfast crf=21 bframes=0 aq-strength=0.3",
            "superfast crf=22.8 bframes=0 aq-strength=0.3", "superfast crf=22.8 bframes=0 aq-strength=0.6",
        ]
        + [18, 20, 22, 23].map { "veryfast crf=\($0)" }
        + [
            "veryfast crf=20 bframes=0", "veryfast crf=20 bframes=0 mbtree=0",
            "veryfast crf=20 bframes=0 rc-lookahead=0",
            "veryfast crf=20 bframes=0 trellis=0", "veryfast crf=20 bframes=1 b-adapt=0",
            "faster crf=20", "faster crf=22", "fast crf=22", "medium crf=23", "medium crf=20",
        ]

    static func command(_ setting: String, _ source: String, _ result: String) -> Command {
        let words = setting.split(separator: " ").map(String.init)
        let own = words.dropFirst()
        // Every one keeps the profile: High, a key frame each two seconds, the reels profile's ceiling.
        let parameters = ["keyint=60", "open-gop=0", "vbv-maxrate=24193", "vbv-bufsize=24193"] + own
        return Command(
            Workplace.debianFFmpeg,
            [
                "-nostdin", "-v", "error", "-y", "-i", source, "-map", "0:v", "-c:v", "libx264", "-preset",
                words.first ?? "",
            ]
                + ["-pix_fmt", "yuv420p", "-x264-params", parameters.joined(separator: ":"), result])
    }
}
