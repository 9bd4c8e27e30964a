/// Command lines of the programs that are compared.
enum Programs {
    static func reelway(_ source: String, _ result: String, _ more: [String] = []) -> Command {
        Command(Workplace.reelway, ["transcode", source, result, "--overwrite", "--progress", "none"] + more)
    }

    static func ffmpeg(_ program: String, _ source: String, _ result: String, _ more: [String]) -> Command {
        Command(
            program, ["-nostdin", "-v", "error", "-y", "-i", source] + more + ["-movflags", "+faststart", result])
    }

    /// As everyone types it.
    static func x264(preset: String, crf: Int) -> [String] {
        ["-c:v", "libx264", "-preset", preset, "-crf", "\(crf)", "-pix_fmt", "yuv420p"] + sound
    }

    /// The same settings that Reelway gave x264 for `result`.
    ///
    /// - Parameter more: parameters of x264 that it makes no note of.
    static func equalX264(preset: String, to result: String, and more: [String] = []) throws -> [String] {
        ["-c:v", "libx264", "-preset", preset, "-profile:v", "high", "-pix_fmt", "yuv420p"]
            + ["-x264-params", (try X264Settings(of: result).parameters + more).joined(separator: ":")] + sound
    }

    static let sound = ["-c:a", "aac", "-b:a", "128k"]

    static func output(_ name: String) -> String { Workplace.scratch("\(name).mp4") }

    /// Size and rate of a finished file, and its quality where there is something to compare with.
    static func figures(of path: String, against source: String? = nil, every: Int = 1) throws -> [Figure] {
        let size = Figure(name: "size MB", value: Double(try Files.size(path)) / 1e6)
        guard let source else { return [size] }
        return [size] + (try Quality(of: path, against: source, every: every)).figures
    }
}
