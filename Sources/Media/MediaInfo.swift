/// What is known of a source before the work begins; what `Plan` decides from.
struct MediaInfo: Sendable {
    var name: String
    var bytes: Int64?
    var container: String
    var video: Video
    var audio: Audio?
    var skipped: [Report.SkippedTrack]

    /// The picture.
    struct Video: Sendable {
        var streamIndex: Int
        var codec: String
        var profile: String?
        var pixelFormat: String
        var width: Int
        var height: Int
        var pixelAspect: Double
        var orientation: Orientation
        var color: ColorDescription
        /// The source itself states its matrix.
        var statesColor: Bool
        var isInterlaced: Bool
        /// Mean rate over the whole stream, 0 where unknown.
        var declaredRate: Double
        /// When pictures are shown on the stream's clock, in order; the whole stream's where `hasAllTimes`.
        var times: [Double]
        var hasAllTimes: Bool
        var timeline: Timeline
        /// When the last picture ends, in seconds of the finished video; `nil`: not known before the end.
        var end: Double?
        /// `end` is the whole container's, which may be the end of another stream.
        var endsWithContainer = false
        /// How long the last picture stays by the list of them, in seconds; `nil` where there is none. Infinite where
        /// only the end of the container tells, which holds nothing else and is known to be whole.
        var lastDuration: Double?
        /// What a copy would rest on; `nil` where nothing lists every sample.
        var samples: CodedVideo?
        /// Why there is no such list, where that is known.
        var obstacle: String?
    }

    /// All pictures of an H.264 stream, by an MP4's index or a `PacketScan`.
    struct CodedVideo: Sendable {
        var sets: ParameterSets
        var table: SampleTable
        var timescale: UInt32
        /// Where tick 0 of the table lies on the stream's clock, in seconds.
        var origin = 0.0
        /// Samples hold units that the copy leaves out: parameter sets that stand in front already, delimiters.
        var hasForeignUnits = false
    }

    /// The sound.
    struct Audio: Sendable {
        var streamIndex: Int
        var codec: String
        var sampleRate: Int
        var channels: Int
        var timeline: Timeline
        var end: Double?
        /// `end` is the whole container's.
        var endsWithContainer = false
        /// Packets that the container lists; 0 where it lists none.
        var listedPackets = 0
        /// libavcodec takes it for AAC-LC or doesn't know better.
        var isLowComplexity = true
        /// What a copy would rest on.
        var samples: CodedAudio?
        /// Why there is no such list, where that is known.
        var obstacle: String?
    }

    /// All packets of an AAC stream, by an MP4's index or a `PacketScan`.
    struct CodedAudio: Sendable {
        var config: AudioSpecificConfig
        var table: SampleTable
        var timescale: UInt32
        /// Where tick 0 of the table lies on the stream's clock, in seconds.
        var origin = 0.0
        /// Each packet stands behind an `ADTSHeader`, whose description this is.
        var adts: [UInt8]?
    }

    /// How long the finished video will be, where that is known.
    var duration: Double? {
        guard let end = video.end else { return nil }
        return max(end, audio?.end ?? 0)
    }

    /// The same with everything shown and heard `seconds` earlier.
    func advanced(by seconds: Double) -> MediaInfo {
        guard seconds != 0 else { return self }
        var moved = self
        moved.video.timeline = video.timeline.advanced(by: seconds)
        moved.video.end = video.end.map { $0 - seconds }
        if let audio {
            moved.audio?.timeline = audio.timeline.advanced(by: seconds)
            moved.audio?.end = audio.end.map { $0 - seconds }
        }
        return moved
    }

    /// Upright size in square pixels.
    var displaySize: (width: Double, height: Double) {
        let width = Double(video.width) * video.pixelAspect
        return video.orientation.swapsSides ? (Double(video.height), width) : (width, Double(video.height))
    }
}

extension MediaInfo.Video {
    /// When the last picture ends by the pictures' own times, in seconds of the finished video; `nil` where not all are
    /// known.
    var shownEnd: Double? {
        guard let last = times.last, let lastStay else { return nil }
        return timeline.lastPresentation(before: last + lastStay)
    }

    /// How long the last picture stays, in seconds; `nil` where not all are known. As long as the usual one, or longer
    /// where that is listed and the container lasts so long.
    var lastStay: Double? {
        guard hasAllTimes, let last = times.last, times.count > 1 else { return nil }
        let distances = zip(times, times.dropFirst()).map { $1 - $0 }.sorted()
        let usual = distances[distances.count / 2]
        guard let lastDuration, let end, let shown = timeline.presentation(of: last) else { return usual }
        return max(usual, min(lastDuration, end - shown))
    }
}
