import Foundation

/// What the `ffprobe` program, a judge of its own, sees in a file.
struct FFprobe: Decodable {
    struct Format: Decodable {
        var duration: String?
        var size: String?
        var tags: [String: String]?
    }

    struct SideData: Decodable {
        var sideDataType: String?
        var rotation: Double?
    }

    struct Stream: Decodable {
        var index: Int
        var codecName: String?
        var codecType: String?
        var codecTagString: String?
        var profile: String?
        var width: Int?
        var height: Int?
        var pixFmt: String?
        var level: Int?
        var sampleAspectRatio: String?
        var colorRange: String?
        var colorSpace: String?
        var colorTransfer: String?
        var colorPrimaries: String?
        var fieldOrder: String?
        var avgFrameRate: String?
        var sampleRate: String?
        var channels: Int?
        var bitRate: String?
        var startTime: String?
        var duration: String?
        var tags: [String: String]?
        var sideDataList: [SideData]?

        var rate: Double { FFprobe.fraction(avgFrameRate) }
        var start: Double { Double(startTime ?? "") ?? 0 }
        var seconds: Double { Double(duration ?? "") ?? 0 }
        var isRotated: Bool { sideDataList?.contains { $0.rotation != nil && $0.rotation != 0 } ?? false }
    }

    struct Packet: Decodable {
        var ptsTime: String?
        var size: String?
        var flags: String?

        var pts: Double { Double(ptsTime ?? "") ?? .nan }
        var isKey: Bool { flags?.contains("K") ?? false }
    }

    struct Frame: Decodable {
        var ptsTime: String?
        var bestEffortTimestampTime: String?
        var nbSamples: Int?
        var width: Int?
        var height: Int?

        var time: Double { Double(ptsTime ?? bestEffortTimestampTime ?? "") ?? .nan }
    }

    struct Chapter: Decodable {
        var id: Int
    }

    var streams: [Stream]
    var format: Format?
    var chapters: [Chapter]?
    var packets: [Packet]?
    var frames: [Frame]?

    var video: Stream? { streams.first { $0.codecType == "video" } }
    var audio: Stream? { streams.first { $0.codecType == "audio" } }
    var duration: Double { Double(format?.duration ?? "") ?? 0 }

    /// Streams, format and chapters.
    static func read(_ path: String) throws -> FFprobe {
        try ask(["-show_streams", "-show_format", "-show_chapters", path])
    }

    /// The packets of a stream (`v:0`, `a:0`), in the order of decoding.
    static func packets(_ path: String, _ stream: String) throws -> [Packet] {
        try ask(["-show_streams", "-show_packets", "-select_streams", stream, path]).packets ?? []
    }

    /// The decoded frames of a stream, in the order of showing.
    static func frames(_ path: String, _ stream: String) throws -> [Frame] {
        let entries = "frame=pts_time,best_effort_timestamp_time,nb_samples,width,height:stream=index"
        return try ask(["-show_entries", entries, "-show_frames", "-select_streams", stream, path]).frames ?? []
    }

    private static func ask(_ arguments: [String]) throws -> FFprobe {
        let json = try Shell.succeed("ffprobe", ["-v", "quiet", "-of", "json"] + arguments, limit: 120)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(FFprobe.self, from: json)
    }

    static func fraction(_ text: String?) -> Double {
        let parts = (text ?? "").split(separator: "/").compactMap { Double($0) }
        return parts.count == 2 && parts[1] != 0 ? parts[0] / parts[1] : parts.first ?? 0
    }
}
