/// What a transcode did: the JSON of CONTRACT section 4.
public struct Report: Codable, Sendable, Equatable {
    /// Reelway's version.
    public var reelway: String = Reelway.version
    /// Whether there is a finished, checked file.
    public var ok = false
    /// Why there is none.
    public var error: Failure?
    /// The source, as far as it was understood.
    public var input: Input?
    /// What was decided, and why.
    public var plan: PlanSummary?
    /// The finished file.
    public var output: Output?
    /// The verdict on the bytes that were written.
    public var conformance: ConformanceVerdict?
    /// What the user should know of although it did not stop the work.
    public var warnings: [String] = []
    /// Where the time and the memory went.
    public var timings = Timings()

    /// A report of nothing yet.
    public init() {}

    /// An error as it travels in JSON.
    public struct Failure: Codable, Sendable, Equatable {
        /// A code of CONTRACT section 2.
        public var code: String
        /// One sentence.
        public var message: String

        /// The failure as it is stored.
        public init(_ error: MediaError) {
            code = error.code.rawValue
            message = error.message
        }
    }

    /// The source.
    public struct Input: Codable, Sendable, Equatable {
        public var name: String
        public var bytes: Int64?
        public var container: String
        public var durationSeconds: Double?
        public var sha256: String?
        public var quickXorHash: String?
        public var video: Video?
        public var audio: Audio?
        public var skippedTracks: [SkippedTrack]
    }

    /// The source's picture. `nil` properties are not known from the file.
    public struct Video: Codable, Sendable, Equatable {
        public var codec: String
        public var profile: String?
        public var pixelFormat: String
        /// Stored size in pixels.
        public var width: Int
        public var height: Int
        /// Size in square pixels, upright.
        public var displayWidth: Int
        public var displayHeight: Int
        /// Clockwise degrees by which the stored picture has to be turned: 0, 90, 180 or 270.
        public var rotation: Int
        public var frameRate: Double
        public var variableFrameRate: Bool
        public var transfer: String?
        public var primaries: String?
        public var matrix: String?
        public var range: String?
        public var interlaced: Bool
        public var hdr: Bool
    }

    /// The source's sound.
    public struct Audio: Codable, Sendable, Equatable {
        public var codec: String
        public var sampleRate: Int
        public var channels: Int
    }

    /// A track that does not reach the output.
    public struct SkippedTrack: Codable, Sendable, Equatable {
        public var index: Int
        public var kind: String
        public var codec: String
        public var reason: String
    }

    /// What was decided for each stream.
    public struct PlanSummary: Codable, Sendable, Equatable {
        public var profile: String
        public var video: VideoPlanSummary
        public var audio: AudioPlanSummary
    }

    /// `action` is `copy` or `encode`; the encoder's settings are there only for `encode`.
    public struct VideoPlanSummary: Codable, Sendable, Equatable {
        public var action: String
        public var reasons: [String]
        public var encoder: String?
        public var preset: String?
        public var crf: Double?
        /// Bits per second.
        public var maxBitrate: Int?
    }

    /// `action` is `copy`, `encode` or `none`.
    public struct AudioPlanSummary: Codable, Sendable, Equatable {
        public var action: String
        public var reasons: [String]
    }

    /// The finished file.
    public struct Output: Codable, Sendable, Equatable {
        public var location: String
        public var bytes: Int64
        public var sha256: String?
        public var durationSeconds: Double
        public var width: Int
        public var height: Int
        public var frameRate: Double
        /// Average bits per second.
        public var videoBitrate: Int
        public var audioBitrate: Int
    }

    /// Whether the file keeps its profile, and where not.
    public struct ConformanceVerdict: Codable, Sendable, Equatable {
        public var ready: Bool
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
        public var wallSeconds = 0.0
        public var cpuSeconds = 0.0
        public var downloadSeconds = 0.0
        public var firstFrameSeconds = 0.0
        public var encodeSeconds = 0.0
        public var uploadSeconds = 0.0
        /// From the last encoded packet to the stored object.
        public var tailSeconds = 0.0
        public var peakResidentBytes: Int64 = 0
        public var bytesRead: Int64 = 0
        public var bytesWritten: Int64 = 0
        public var temporaryBytes: Int64 = 0
    }
}

/// The program itself.
public enum Reelway {
    /// Its version, by semantic versioning.
    public static let version = "0.1.0"
}
