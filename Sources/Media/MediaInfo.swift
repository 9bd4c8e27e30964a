/// What is known of a source before the work begins; what `Plan` decides from.
struct MediaInfo: Sendable {
    var name: String
    var bytes: Int64?
    var container: String
    var video: Video
    var audio: Audio?
    var skipped: [Report.SkippedTrack]
    var warnings: [String]

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
        /// Which of the colour properties the source states itself.
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
        /// What a copy would rest on; `nil` where the container doesn't list every sample.
        var samples: CodedVideo?
    }

    /// What the container's index says of an H.264 stream.
    struct CodedVideo: Sendable {
        var parameters: SequenceParameterSet
        var table: SampleTable
        var timescale: UInt32
        /// Bytes of the length in front of each NAL unit.
        var nalLengthSize: Int
    }

    /// The sound.
    struct Audio: Sendable {
        var streamIndex: Int
        var codec: String
        var sampleRate: Int
        var channels: Int
        var timeline: Timeline
        var end: Double?
        /// What a copy would rest on.
        var samples: CodedAudio?
    }

    /// What the container's index says of an AAC stream.
    struct CodedAudio: Sendable {
        var config: AudioSpecificConfig
        var table: SampleTable
        var timescale: UInt32
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
