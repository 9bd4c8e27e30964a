/// What a transcode did: the JSON of `--report` and of the column `social_ready_report`.
public struct Report: Codable, Sendable, Equatable {
    /// Reelway's version.
    public var reelway: String = Reelway.version
    /// Whether there is a finished, checked file.
    public var ok = false
    /// Why there is none.
    @Nullable public var error: Failure? = nil
    /// The source, as far as it was understood.
    @Nullable public var input: Input? = nil
    /// What was decided, and why.
    @Nullable public var plan: PlanSummary? = nil
    /// The finished file.
    @Nullable public var output: Output? = nil
    /// The verdict on the bytes that were written.
    @Nullable public var conformance: ConformanceVerdict? = nil
    /// What the user should know of although it did not stop the work.
    public var warnings: [String] = []
    /// Where the time and the memory went.
    public var timings = Timings()

    /// A report of nothing yet.
    public init() {}

    /// An error as it travels in JSON.
    public struct Failure: Codable, Sendable, Equatable {
        /// A code of `MediaError.Code` or of another layer.
        public var code: String
        /// One sentence.
        public var message: String

        /// The failure as it is stored.
        public init(_ error: MediaError) { self.init(code: error.code.rawValue, message: error.message) }

        /// A failure of another layer.
        public init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    /// The source.
    public struct Input: Codable, Sendable, Equatable {
        /// How the user named it.
        public var name: String
        /// Size in bytes.
        @Nullable public var bytes: Int64?
        /// `mp4`, `matroska`, `avi` …
        public var container: String
        /// Length in seconds.
        @Nullable public var durationSeconds: Double?
        /// OneDrive's hash in base64; the key is left out where it is not known.
        public var quickXorHash: String?
        /// The picture.
        @Nullable public var video: Video?
        /// The sound.
        @Nullable public var audio: Audio?
        /// Tracks that do not reach the output.
        public var skippedTracks: [SkippedTrack]
    }

    /// The source's picture. `nil` properties are not known from the file.
    public struct Video: Codable, Sendable, Equatable {
        /// libav's name of the codec.
        public var codec: String
        /// The profile's name.
        @Nullable public var profile: String?
        /// libav's name of the pixel format.
        public var pixelFormat: String
        /// Stored width in pixels.
        public var width: Int
        /// Stored height in pixels.
        public var height: Int
        /// Width as shown, in square pixels, upright.
        public var displayWidth: Int
        /// Height as shown, in square pixels, upright.
        public var displayHeight: Int
        /// Clockwise degrees by which the stored picture has to be turned: 0, 90, 180 or 270.
        public var rotation: Int
        /// Mean frames per second.
        public var frameRate: Double
        /// Whether the frames' distances differ.
        public var variableFrameRate: Bool
        /// Transfer characteristics as ffprobe names them.
        @Nullable public var transfer: String?
        /// Primaries as ffprobe names them.
        @Nullable public var primaries: String?
        /// Matrix coefficients as ffprobe names them.
        @Nullable public var matrix: String?
        /// `tv` or `pc`.
        @Nullable public var range: String?
        /// Whether frames hold two fields.
        public var interlaced: Bool
        /// Whether the transfer is PQ or HLG.
        public var hdr: Bool
    }

    /// The source's sound.
    public struct Audio: Codable, Sendable, Equatable {
        /// libav's name of the codec.
        public var codec: String
        /// Samples per second.
        public var sampleRate: Int
        /// Number of channels.
        public var channels: Int
    }

    /// A track that does not reach the output.
    public struct SkippedTrack: Codable, Sendable, Equatable {
        /// Index in the file, from 0.
        public var index: Int
        /// `video`, `audio`, `data` …
        public var kind: String
        /// libav's name of the codec.
        public var codec: String
        /// Why it is left out.
        public var reason: String
    }

    /// What was decided for each stream.
    public struct PlanSummary: Codable, Sendable, Equatable {
        /// The profile's name.
        public var profile: String
        /// The picture.
        public var video: VideoPlanSummary
        /// The sound.
        public var audio: AudioPlanSummary
    }

    /// `action` is `copy` or `encode`; the encoder's settings are there only for `encode`.
    public struct VideoPlanSummary: Codable, Sendable, Equatable {
        /// What is done.
        public var action: String
        /// Why, one phrase each.
        public var reasons: [String]
        /// libav's name of the encoder.
        public var encoder: String?
        /// x264's preset.
        public var preset: String?
        /// x264's constant rate factor.
        public var crf: Double?
        /// Bits per second.
        public var maxBitrate: Int?
    }

    /// `action` is `copy`, `encode` or `none`.
    public struct AudioPlanSummary: Codable, Sendable, Equatable {
        /// What is done.
        public var action: String
        /// Why, one phrase each.
        public var reasons: [String]
    }

    /// The finished file.
    public struct Output: Codable, Sendable, Equatable {
        /// Where the result is.
        public var location: String
        /// Size in bytes.
        public var bytes: Int64
        /// SHA-256 in hexadecimal; `nil` where it was not asked for or not to be had.
        @Nullable public var sha256: String?
        /// Length in seconds.
        public var durationSeconds: Double
        /// Width in pixels.
        public var width: Int
        /// Height in pixels.
        public var height: Int
        /// Mean frames per second.
        public var frameRate: Double
        /// Average bits per second of the picture.
        public var videoBitrate: Int
        /// Average bits per second of the sound.
        public var audioBitrate: Int
    }

    /// Whether the file keeps its profile, and where not.
    public struct ConformanceVerdict: Codable, Sendable, Equatable {
        /// Whether nothing is broken.
        public var ready: Bool
        /// What is broken.
        public var failures: [Violation]
    }

    /// A rule of the profile that a file breaks.
    public struct Violation: Codable, Sendable, Equatable {
        /// A short stable name: `edit_list`, `moov_first`, `frame_rate` …
        public var rule: String
        /// What the file has.
        public var found: String
        /// What the profile asks for.
        public var required: String
        /// What Instagram would answer, where that is known.
        public var instagramCode: Int?
    }

    /// Seconds and bytes.
    public struct Timings: Codable, Sendable, Equatable {
        /// Whole time.
        public var wallSeconds = 0.0
        /// Processor time of the process.
        public var cpuSeconds = 0.0
        /// Time in which a request for the source was under way; 0 for a file.
        public var downloadSeconds = 0.0
        /// Time until the first packet of the output.
        public var firstFrameSeconds = 0.0
        /// Time until the last packet of the output.
        public var encodeSeconds = 0.0
        /// Time spent sending.
        public var uploadSeconds = 0.0
        /// From the last encoded packet to the stored object.
        public var tailSeconds = 0.0
        /// Most memory the process held.
        public var peakResidentBytes: Int64 = 0
        /// Bytes read from the source, each as often as it was read.
        public var bytesRead: Int64 = 0
        /// Bytes of the result, as far as it came.
        public var bytesWritten: Int64 = 0
        /// Bytes that went to temporary files.
        public var temporaryBytes: Int64 = 0
    }
}

/// The program itself.
public enum Reelway {
    /// Its version, by semantic versioning.
    public static let version = "0.1.0"
}
