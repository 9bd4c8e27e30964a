/// Every way in which a command or a job can fail. The names are part of the contract.
enum ErrorCode: String, Sendable, CaseIterable {
    case usage
    case inputNotFound = "input_not_found"
    case unsupportedContainer = "unsupported_container"
    case noVideoStream = "no_video_stream"
    case unsupportedVideoCodec = "unsupported_video_codec"
    case sourceTruncated = "source_truncated"
    case sourceCorrupt = "source_corrupt"
    case sourceChanged = "source_changed"
    case sourceHashMismatch = "source_hash_mismatch"
    case sourceForbidden = "source_forbidden"
    case tooShort = "too_short"
    case tooLong = "too_long"
    case tooLarge = "too_large"
    case sourceAuth = "source_auth"
    case storageAuth = "storage_auth"
    case storageRejected = "storage_rejected"
    case outputExists = "output_exists"
    case cancelled
    case sourceUnavailable = "source_unavailable"
    case sourceThrottled = "source_throttled"
    case storageUnavailable = "storage_unavailable"
    case databaseUnavailable = "database_unavailable"
    case leaseLost = "lease_lost"
    case outOfMemory = "out_of_memory"
    case `internal` = "internal"

    /// Whether trying again can help; a worker does so by itself.
    var isTransient: Bool {
        switch self {
        case .sourceUnavailable, .sourceThrottled, .storageUnavailable, .databaseUnavailable, .leaseLost, .outOfMemory,
            .internal:
            true
        case .usage, .inputNotFound, .unsupportedContainer, .noVideoStream, .unsupportedVideoCodec, .sourceTruncated,
            .sourceCorrupt, .sourceChanged, .sourceHashMismatch, .sourceForbidden, .tooShort, .tooLong, .tooLarge,
            .sourceAuth, .storageAuth, .storageRejected, .outputExists, .cancelled:
            false
        }
    }

    /// The exit status, of sysexits.h where it has one.
    var exitStatus: Int32 {
        switch self {
        case .usage: 64
        case .unsupportedContainer, .noVideoStream, .unsupportedVideoCodec, .sourceTruncated, .sourceCorrupt,
            .sourceChanged, .sourceHashMismatch, .tooShort, .tooLong, .tooLarge:
            65
        case .inputNotFound: 66
        case .sourceUnavailable, .storageUnavailable, .databaseUnavailable: 69
        case .internal: 70
        case .outputExists, .storageRejected: 73
        case .sourceThrottled, .leaseLost, .outOfMemory: 75
        case .sourceForbidden, .sourceAuth, .storageAuth: 77
        case .cancelled: 130
        }
    }
}
