import FoundationEssentials

/// Natural clips, brought by whoever measures, and the sources made of them. What was made is kept in out/bench.
struct NaturalClips {
    /// A clip's file below the folder, and the filters that make it 1920x1080 at 30 a second.
    private struct Part {
        let name: String
        let file: String
        let about: String
        let picture: String
        var sound = "anull"
        var skipped = 0.0
    }

    private static let parts = [
        Part(name: "park", file: "mapillary/sample-5s.mp4", about: "1920x1080, 30 a second, foliage", picture: "null"),
        Part(
            name: "street", file: "mapillary/sample-5s_h265.mp4", about: "1376x1840 HEVC, a street by hand",
            picture: "fps=30,crop=1376:774,scale=1920:1080:flags=lanczos"),
        Part(
            name: "walk", file: "sports2d/demo.mp4", about: "1768x994 VP9, a person walks",
            picture: "fps=30,scale=1920:1080:flags=lanczos"),
        // 24 pictures a second are shown faster, so that none is shown twice.
        Part(
            name: "film", file: "openshot/sintel_trailer-720p.mp4", about: "1280x720, animated film with cuts",
            picture: "scale=1920:1080:flags=lanczos,setpts=PTS*0.8,fps=30", sound: "atempo=1.25", skipped: 14),
    ]
    static var names: [String] { parts.map(\.name) }

    private let folder: String

    /// - Throws: When clips are missing, with what to bring.
    init(folder: String) throws {
        self.folder = folder
        let missing = NaturalClips.parts.filter { !Files.exists("\(folder)/\($0.file)") }
        guard missing.isEmpty else {
            let wanted = missing.map { "  \(folder)/\($0.file) (\($0.about))" }.joined(separator: "\n")
            throw BenchError(
                "bring natural clips of some seconds with sound, or name their folder by --clips:\n" + wanted)
        }
    }

    /// As a phone writes it: H.264 High of 17 Mb/s with B-frames, a key frame each second.
    private static let phone =
        [
            "-c:v", "libx264", "-preset", "fast", "-b:v", "17M", "-maxrate", "21M", "-bufsize", "17M", "-g", "30",
            "-sc_threshold", "0", "-profile:v", "high", "-pix_fmt", "yuv420p",
        ] + bt709 + sound
    private static let bt709 = [
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
    ]
    private static let sound = ["-c:a", "aac", "-b:a", "128k", "-ar", "48000", "-ac", "2"]

    /// Four seconds of one clip, 1080p30 of 17 Mb/s.
    func clip(_ name: String) throws -> String {
        guard let part = NaturalClips.parts.first(where: { $0.name == name }) else {
            throw BenchError("there is no clip \(name)")
        }
        return try NaturalClips.make(
            "\(name)-4s.mp4",
            [
                "-ss", "\(part.skipped)", "-i", "\(folder)/\(part.file)", "-vf", "\(part.picture),setsar=1", "-af",
                part.sound,
                "-t", "4", "-r", "30",
            ] + NaturalClips.phone)
    }

    /// All clips one after the other, again and again, 1080p30 of 17 Mb/s.
    func mixed(seconds: Int) throws -> String {
        try join("mixed-\(seconds)s.mp4", try NaturalClips.names.map(clip), seconds, NaturalClips.phone)
    }

    /// Five seconds of foliage again and again: each second costs the same, whatever the length. 1080p30 of 17 Mb/s.
    func even(seconds: Int) throws -> String {
        let source = ["-i", "\(folder)/\(NaturalClips.parts[0].file)", "-t", "5", "-r", "30", "-an"]
        let round = try NaturalClips.make("even-round.mp4", source + NaturalClips.phone)
        return try loop("even-\(seconds)s.mp4", round, seconds)
    }

    /// What Reelway copies: no B-frames, one closed group of pictures a second.
    func conforming(seconds: Int, megabits: Int) throws -> String {
        let settings = [
            "-c:v", "libx264", "-preset", "superfast", "-bf", "0", "-g", "30", "-profile:v", "high", "-an",
            "-b:v", "\(megabits)M", "-maxrate", "\(megabits + 2)M", "-bufsize", "\(megabits)M",
        ]
        let round = try join(
            "conforming-round-\(megabits).mp4", try NaturalClips.names.map(clip), 16, settings + NaturalClips.bt709)
        return try loop("conforming-\(seconds)s-\(megabits).mp4", round, seconds)
    }

    /// As an iPhone writes it: 4K HEVC of 10 bits, HLG, BT.2020.
    func hlg(seconds: Int) throws -> String {
        let color = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
        return try NaturalClips.make(
            "hlg-4k-\(seconds)s.mp4",
            [
                "-i", try mixed(seconds: 16), "-t", "\(seconds)",
                "-vf",
                "zscale=3840:2160:tin=709:min=709:pin=709:rin=tv:t=arib-std-b67:p=2020:m=2020_ncl:r=tv,format=yuv420p10le",
                "-c:v", "libx265", "-preset", "ultrafast", "-b:v", "24M", "-x265-params",
                "log-level=none:keyint=30:\(color)",
                "-tag:v", "hvc1", "-c:a", "copy",
            ])
    }

    /// What has to be encoded and costs little to make and to decode: MPEG-4 part 2.
    func foreign(seconds: Int) throws -> String {
        try NaturalClips.make(
            "mpeg4-\(seconds)s.mp4",
            [
                "-i", try mixed(seconds: 16), "-t", "\(seconds)", "-c:v", "mpeg4", "-q:v", "3", "-c:a", "copy",
            ])
    }

    /// Files in a row, encoded anew. The clips' sound ends a little after their picture: times are counted, not taken over.
    private func join(_ name: String, _ files: [String], _ seconds: Int, _ encoding: [String]) throws -> String {
        let list = try NaturalClips.list(files, seconds)
        defer { Files.remove(list) }
        return try NaturalClips.make(
            name,
            ["-f", "concat", "-safe", "0", "-i", list, "-vf", "setpts=N/30/TB", "-af", "asetpts=N/SR/TB", "-r", "30"]
                + ["-t", "\(seconds)"] + encoding)
    }

    /// One file's picture again and again, copied, under sound in one piece: packets of several encoders in a row aren't
    /// evenly spaced.
    private func loop(_ name: String, _ round: String, _ seconds: Int) throws -> String {
        let pictures = try NaturalClips.list([round], seconds)
        let sounds = try NaturalClips.list([try clip("park")], seconds)
        defer { for list in [pictures, sounds] { Files.remove(list) } }
        return try NaturalClips.make(
            name,
            [pictures, sounds].flatMap { ["-f", "concat", "-safe", "0", "-i", $0] }
                + ["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-af", "asetpts=N/SR/TB", "-t", "\(seconds)"]
                + NaturalClips.sound)
    }

    /// A list for ffmpeg: the files in turn until they are long enough.
    private static func list(_ files: [String], _ seconds: Int) throws -> String {
        let path = Workplace.scratch("list-\(UniqueNumber.next()).txt")
        let length = try files.map(duration).reduce(0, +)
        let rounds = max(1, Int((Double(seconds) / length).rounded(.up)))
        let lines = (0..<rounds).flatMap { _ in files.map { "file '\($0)'\n" } }
        try Files.write(lines.joined(), to: path)
        return path
    }

    private static func duration(_ path: String) throws -> Double {
        let text = try Command(
            "ffprobe", ["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
        ).text()
        guard let duration = Double(text.split(separator: "\n").first ?? ""), duration > 0 else {
            throw BenchError("\(path) has no duration")
        }
        return duration
    }

    /// Makes a file once.
    static func make(_ name: String, _ arguments: [String]) throws -> String {
        let path = "\(Workplace.folder)/\(name)"
        if Files.exists(path) { return path }
        Progress.say("making \(name)")
        let part = Workplace.scratch(name)
        try Command(Workplace.debianFFmpeg, ["-nostdin", "-v", "error", "-y"] + arguments + [part]).run()
        try Files.rename(part, to: path)
        return path
    }
}
