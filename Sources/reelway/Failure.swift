import Media
import Postgres
import Transfer

/// A failure as the outside sees it, whatever layer it came from.
///
/// `description` is printed, logged and stored: `CODE: sentence`, without a secret.
struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
    let code: ErrorCode
    let message: String
    /// How long a service asked to be left alone, in seconds.
    let retryAfter: Double?

    init(_ code: ErrorCode, _ message: String, retryAfter: Double? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    /// The one place where a layer's error becomes one of the contract's.
    init(_ error: any Error) {
        switch error {
        case let failure as Failure:
            self = failure
        case let error as MediaError:
            self.init(ErrorCode(rawValue: error.code.rawValue) ?? .internal, error.message)
        case let error as TransferError:
            self.init(
                ErrorCode(rawValue: error.code.rawValue) ?? .internal, error.message, retryAfter: error.retryAfter)
        case let error as PostgresError:
            self.init(error.isOfTheDatabase ? .databaseUnavailable : .internal, error.message)
        case let error as SettingsError:
            self.init(.usage, error.description)
        default:
            // What an unknown error says of itself may hold anything.
            self.init(.internal, "an unexpected \(type(of: error)); please report it")
        }
    }

    var description: String { "\(code.rawValue): \(message)" }
}

extension PostgresError {
    /// Whether it passes without ending a video: the database is away, or lets nobody in until someone mends that (classes 28
    /// and 3D of its error codes).
    var passes: Bool {
        switch kind {
        case .unavailable: true
        case .rejected(let state): state.hasPrefix("28") || state.hasPrefix("3D")
        case .unexpected: false
        }
    }

    /// Whether the database is away, or not the one it should be: a right (42501) or a table (42P01) is missing. Anything
    /// else it refuses is this program's fault.
    fileprivate var isOfTheDatabase: Bool {
        passes || [.rejected(sqlState: "42501"), .rejected(sqlState: "42P01")].contains(kind)
    }
}
