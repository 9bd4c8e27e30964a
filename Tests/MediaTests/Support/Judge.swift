import Foundation

/// An independent verdict on a finished file: every limit of its profile, read with ffprobe, ffmpeg and a box walk of its own.
enum Judge {
    /// What the file may be beside the table, since its stream was copied.
    struct Allowance {
        var copiedVideo = false
        var minimumSeconds = 2.99
        var maximumSeconds = 900.1
        var maximumBytes = 300_000_000
    }

    /// Every rule that the file breaks.
    static func conforms(_ path: String, _ allowance: Allowance = Allowance()) throws -> [String] {
        var faults = try boxes(path, allowance)
        let probe = try FFprobe.read(path)
        faults += try video(path, probe, allowance)
        faults += try audio(path, probe)
        if probe.duration < allowance.minimumSeconds || probe.duration > allowance.maximumSeconds {
            faults.append("lasts \(probe.duration) s")
        }
        if !(probe.chapters ?? []).isEmpty { faults.append("has chapters") }
        let decoded = try Shell.run(
            "ffmpeg",
            ["-nostdin", "-v", "warning", "-xerror", "-i", path, "-fps_mode", "passthrough", "-enc_time_base", "-1"]
                + ["-f", "null", "-"], limit: 120)
        if decoded.status != 0 || !decoded.errors.isEmpty {
            faults.append("ffmpeg says: \(decoded.errors.prefix(300))")
        }
        return faults
    }

    // MARK: - Boxes

    struct Box {
        var kind: String
        var start: Int
        var body: Range<Int>
    }

    /// The boxes of a level; a size that does not fit ends the list with one of kind `????`.
    static func walk(_ bytes: [UInt8], _ range: Range<Int>) -> [Box] {
        var result: [Box] = []
        var at = range.lowerBound
        while at < range.upperBound {
            guard at + 8 <= range.upperBound else { return result + [Box(kind: "????", start: at, body: at..<at)] }
            let kind = String(decoding: bytes[(at + 4)..<(at + 8)], as: Unicode.ASCII.self)
            var (size, head) = (number(bytes, at, 4), 8)
            if size == 1, at + 16 <= range.upperBound { (size, head) = (number(bytes, at + 8, 8), 16) }
            guard size >= head, size <= range.upperBound - at else {
                return result + [Box(kind: "????", start: at, body: at..<at)]
            }
            result.append(Box(kind: kind, start: at, body: (at + head)..<(at + size)))
            at += size
        }
        return result
    }

    private static func number(_ bytes: [UInt8], _ at: Int, _ count: Int) -> Int {
        bytes[at..<(at + count)].reduce(0) { ($0 << 8 | Int($1)) & Int.max }
    }

    private static func boxes(_ path: String, _ allowance: Allowance) throws -> [String] {
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped))
        var faults: [String] = []
        if bytes.count > allowance.maximumBytes { faults.append("has \(bytes.count) bytes") }
        let top = walk(bytes, 0..<bytes.count)
        let order = top.map(\.kind).filter { !["free", "wide", "skip"].contains($0) }
        if order != ["ftyp", "moov", "mdat"] { faults.append("top level is \(top.map(\.kind))") }
        guard let moov = top.first(where: { $0.kind == "moov" }) else { return faults + ["no moov"] }
        var kinds: [String] = []
        var handlers: [String] = []
        func descend(_ range: Range<Int>) {
            for box in walk(bytes, range) {
                kinds.append(box.kind)
                if box.kind == "hdlr", box.body.count >= 12 {
                    let name = bytes[(box.body.lowerBound + 8)..<(box.body.lowerBound + 12)]
                    handlers.append(String(decoding: name, as: Unicode.ASCII.self))
                }
                if ["trak", "mdia", "minf", "stbl", "edts", "udta", "mvex"].contains(box.kind) { descend(box.body) }
            }
        }
        descend(moov.body)
        for kind in ["edts", "elst", "mvex", "????", "uuid"] where kinds.contains(kind) { faults.append("has \(kind)") }
        let tracks = handlers.filter { $0 != "mdir" && $0 != "mdta" && $0 != "dhlr" && $0 != "url " }
        if tracks.filter({ $0 == "vide" }).count != 1 || tracks.filter({ $0 == "soun" }).count > 1
            || tracks.count != kinds.filter({ $0 == "trak" }).count
        {
            faults.append("tracks are \(tracks)")
        }
        return faults
    }

    // MARK: - Streams

    private static func video(_ path: String, _ probe: FFprobe, _ allowance: Allowance) throws -> [String] {
        guard let video = probe.video, probe.streams.filter({ $0.codecType == "video" }).count == 1 else {
            return ["not one video stream"]
        }
        var faults: [String] = []
        func demand(_ holds: Bool, _ what: String) { if !holds { faults.append("video: " + what) } }
        let profiles = allowance.copiedVideo ? ["High", "Main", "Baseline", "Constrained Baseline"] : ["High"]
        demand(
            video.codecName == "h264" && profiles.contains(video.profile ?? ""),
            "\(video.codecName ?? "") \(video.profile ?? "")")
        demand(video.codecTagString == "avc1", "sample entry \(video.codecTagString ?? "none")")
        demand(video.pixFmt == "yuv420p", "pixels \(video.pixFmt ?? "")")
        demand(video.fieldOrder == "progressive", "fields \(video.fieldOrder ?? "none")")
        demand(["1:1", nil].contains(video.sampleAspectRatio), "SAR \(video.sampleAspectRatio ?? "")")
        let tags = [video.colorSpace, video.colorTransfer, video.colorPrimaries, video.colorRange].map { $0 ?? "none" }
        demand(tags == ["bt709", "bt709", "bt709", "tv"], "colour \(tags)")
        demand(allowance.copiedVideo || !video.isRotated, "rotation by matrix")
        let (width, height) = (video.width ?? 0, video.height ?? 0)
        demand(width > 0 && height > 0 && width % 2 == 0 && height % 2 == 0, "size \(width)x\(height)")
        demand(max(width, height) <= 1920 && min(width, height) <= 1080, "size \(width)x\(height)")

        let packets = try FFprobe.packets(path, "v:0")
        let times = packets.map(\.pts).sorted()
        guard times.count > 1, let first = times.first, let last = times.last else {
            return faults + ["video: no frames"]
        }
        let average = Double(times.count - 1) / (last - first)
        let steps = zip(times.dropFirst(), times).map(-)
        demand(average > 22.97 && average < 60.05, "rate \(average)")
        if allowance.copiedVideo {
            demand(
                steps.allSatisfy { $0 > 1 / 61.5 && $0 < 1 / 19.9 },
                "an interval of \(steps.min() ?? 0)…\(steps.max() ?? 0) s")
        } else {
            demand(
                steps.allSatisfy { abs($0 - 1 / average) < 0.0002 },
                "not a constant rate: \(steps.min() ?? 0)…\(steps.max() ?? 0)")
            demand(abs(video.rate - average) < 0.02, "average rate \(video.rate) instead of \(average)")
        }
        demand(abs(first) < 0.001, "first picture at \(first) s")
        let keys = packets.filter(\.isKey).map(\.pts)
        let limit = allowance.copiedVideo ? 10.05 : 2.05
        demand(zip(keys.dropFirst() + [last], keys).allSatisfy { $0 - $1 <= limit }, "key frames too far apart")
        demand(packets.first?.isKey == true, "does not begin with a key frame")
        for (index, packet) in packets.enumerated() where packet.isKey {
            let open = packets[(index + 1)...].contains { $0.pts < packet.pts }
            if open { demand(false, "open GOP at \(packet.pts) s"); break }
        }
        let bits = packets.reduce(0.0) { $0 + 8 * (Double($1.size ?? "") ?? 0) }
        demand(bits / (last - first) < 25_000_000, "\(bits / (last - first)) bit/s")
        if let audio = probe.audio {
            let (endOfPicture, endOfSound) = (video.start + video.seconds, audio.start + audio.seconds)
            let frame = max(1 / average, 1024 / (Double(audio.sampleRate ?? "") ?? 48000)) + 0.002
            demand(abs(endOfPicture - endOfSound) <= frame, "ends at \(endOfPicture) s, the sound at \(endOfSound) s")
        }
        return faults
    }

    private static func audio(_ path: String, _ probe: FFprobe) throws -> [String] {
        guard let audio = probe.audio else { return [] }
        var faults: [String] = []
        func demand(_ holds: Bool, _ what: String) { if !holds { faults.append("audio: " + what) } }
        demand(audio.codecName == "aac" && audio.profile == "LC", "\(audio.codecName ?? "") \(audio.profile ?? "")")
        demand((Int(audio.sampleRate ?? "") ?? .max) <= 48000, "\(audio.sampleRate ?? "") Hz")
        demand([1, 2].contains(audio.channels ?? 0), "\(audio.channels ?? 0) channels")
        let packets = try FFprobe.packets(path, "a:0")
        demand(abs(packets.first?.pts ?? .nan) < 0.001, "first sample at \(packets.first?.pts ?? .nan) s")
        let bits = packets.reduce(0.0) { $0 + 8 * (Double($1.size ?? "") ?? 0) }
        demand(bits / max(audio.seconds, 0.1) < 145_000, "\(bits / max(audio.seconds, 0.1)) bit/s")
        let steps = zip(packets.dropFirst(), packets).map { $0.pts - $1.pts }
        let frame = 1024 / (Double(audio.sampleRate ?? "") ?? 48000)
        demand(steps.allSatisfy { abs($0 - frame) < 0.001 }, "a gap or an overlap between packets")
        return faults
    }
}
