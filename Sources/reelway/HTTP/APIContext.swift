import Hummingbird
import Logging

/// What travels with a request: its identity, its place in the routes, its logger.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The caller's own `x-request-id`, or one made up; in every line that is logged for the request.
    var requestID: String

    /// Where Hummingbird keeps the identity it makes up.
    private static let libraryKey = "hb.request.id"

    init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        requestID = source.logger[metadataKey: Self.libraryKey].map { "\($0)" } ?? ""
        logger[metadataKey: Self.libraryKey] = nil
        logger[metadataKey: "request"] = .string(requestID)
    }

    /// Takes the caller's identity over where it is fit for a log line.
    mutating func identify(as given: String?) {
        guard let given, Self.isFit(given) else { return }
        requestID = given
        logger[metadataKey: "request"] = .string(given)
    }

    private static func isFit(_ id: String) -> Bool {
        (1...64).contains(id.utf8.count)
            && id.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}
