/// A failure of the engine: a code to switch on, and one sentence that says what happened and what to do.
///
/// `description` is safe to print, log and store: it names files as the caller named them and holds no address,
/// key or byte of the media.
public struct MediaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What the engine itself can end with. The names are part of the contract.
    public enum Code: String, Sendable, Codable, CaseIterable {
        case usage
        case inputNotFound = "input_not_found"
        case unsupportedContainer = "unsupported_container"
        case noVideoStream = "no_video_stream"
        case unsupportedVideoCodec = "unsupported_video_codec"
        case sourceTruncated = "source_truncated"
        case sourceCorrupt = "source_corrupt"
        case sourceChanged = "source_changed"
        case sourceUnavailable = "source_unavailable"
        case tooShort = "too_short"
        case tooLong = "too_long"
        case tooLarge = "too_large"
        case outputExists = "output_exists"
        case storageRejected = "storage_rejected"
        case storageUnavailable = "storage_unavailable"
        case outOfMemory = "out_of_memory"
        case cancelled
        case `internal` = "internal"
    }

    /// What kind of failure it is.
    public let code: Code
    /// One sentence: what happened, and where there is one, the mend.
    public let message: String
    /// What only a copy of the picture fails by. The same source can be encoded, from its start and to a new sink, where
    /// `Transcode.Options` say so.
    public let copyFault: String?

    /// Makes an error from its code and its sentence.
    public init(_ code: Code, _ message: String, copyFault: String? = nil) {
        self.code = code
        self.message = message
        self.copyFault = copyFault
    }

    /// `code: message`, as printed on standard error and stored.
    public var description: String { "\(code.rawValue): \(message)" }
}

extension MediaError {
    /// An allocation failed.
    static let outOfMemory = MediaError(.outOfMemory, "not enough memory for the video; run fewer jobs at once")
    /// The caller asked to stop.
    static let cancelled = MediaError(.cancelled, "cancelled before the video was finished")
}
