/// A failure of a transfer: a code to switch on, and one sentence that says what happened and what to do.
///
/// `description` is safe to print, log and store: it holds no token and no key, and of an address that a service gave,
/// which may hold one, only scheme and host.
public struct TransferError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What a transfer can end with. The names are part of the contract.
    public enum Code: String, Sendable, Codable, CaseIterable {
        case inputNotFound = "input_not_found"
        case sourceChanged = "source_changed"
        case sourceHashMismatch = "source_hash_mismatch"
        case sourceForbidden = "source_forbidden"
        case sourceAuth = "source_auth"
        case sourceUnavailable = "source_unavailable"
        case sourceThrottled = "source_throttled"
        case storageAuth = "storage_auth"
        case storageRejected = "storage_rejected"
        case storageUnavailable = "storage_unavailable"
        case cancelled
        case `internal` = "internal"
    }

    /// What kind of failure it is.
    public let code: Code
    /// One sentence: what happened, and where there is one, the mend.
    public let message: String
    /// How long the service asked to be left alone, in seconds.
    public let retryAfter: Double?
    /// Whether another try must end the same way, as where the server isn't trusted or may not be asked.
    let isHopeless: Bool

    /// Makes an error from its code and its sentence.
    public init(_ code: Code, _ message: String, retryAfter: Double? = nil) {
        self.init(code, message, retryAfter: retryAfter, isHopeless: false)
    }

    init(_ code: Code, _ message: String, retryAfter: Double? = nil, isHopeless: Bool) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.isHopeless = isHopeless
    }

    /// `code: message`, as printed on standard error and stored.
    public var description: String { "\(code.rawValue): \(message)" }
}
