/// The settings that x264 noted in a file it wrote, so that another program can be given the same.
struct X264Settings {
    private(set) var values: [(name: String, value: String)] = []

    /// Reads them from x264's message in the file.
    init(of path: String) throws {
        // By grep, since a large file read here would count as memory of every program started later.
        let find = Command("grep", ["-aom1", "options: cabac=[ -~]*", path], environment: ["LC_ALL": "C"])
        guard let text = try? find.text() else { throw BenchError("\(path) holds no note of x264's settings") }
        for word in text.split(whereSeparator: \.isWhitespace) {
            let pair = word.split(separator: "=", maxSplits: 1)
            if pair.count == 2 { values.append((String(pair[0]), String(pair[1]))) }
        }
    }

    subscript(name: String) -> String? { values.first { $0.name == name }?.value }

    /// What x264 calls them as parameters. Threads are left to each program.
    private static let names = [
        "cabac": "cabac", "ref": "ref", "me": "me", "subme": "subme", "mixed_ref": "mixed-refs", "me_range": "merange",
        "trellis": "trellis", "8x8dct": "8x8dct", "bframes": "bframes", "weightp": "weightp", "keyint": "keyint",
        "keyint_min": "min-keyint", "scenecut": "scenecut", "rc_lookahead": "rc-lookahead", "mbtree": "mbtree",
        "crf": "crf", "vbv_maxrate": "vbv-maxrate", "vbv_bufsize": "vbv-bufsize", "b_adapt": "b-adapt",
        "b_pyramid": "b-pyramid", "open_gop": "open-gop", "direct": "direct", "b_bias": "b-bias",
    ]

    /// As ffmpeg's -x264-params takes them, on top of the preset.
    var parameters: [String] {
        var words = values.compactMap { pair in X264Settings.names[pair.name].map { "\($0)=\(pair.value)" } }
        if let aq = self["aq"]?.split(separator: ":") {
            words.append("aq-mode=\(aq[0])")
            if aq.count > 1 { words.append("aq-strength=\(aq[1])") }
        }
        return words
    }

    /// Names of settings in which two files differ, threads aside.
    func differences(from other: X264Settings) -> [String] {
        let free = ["threads", "lookahead_threads", "sliced_threads"]
        let names = Set(values.map(\.name)).union(other.values.map(\.name)).subtracting(free)
        return names.filter { self[$0] != other[$0] }.sorted().map { name in
            "\(name) \(self[name] ?? "–") and \(other[name] ?? "–")"
        }
    }
}
