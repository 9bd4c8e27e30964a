/// Something that goes wrong, at which request and how often.
///
/// As JSON: `{"action": {"reset": {"at": 1000000}}, "item": "clip.mp4", "skip": 0, "times": 1}`.
public struct Fault: Sendable, Codable {
    /// The parts of the sandbox.
    public enum Endpoint: String, Sendable, Codable, CaseIterable {
        /// `/{tenant}/oauth2/v2.0/token`
        case token
        /// An item's properties.
        case item
        /// An item's `/content`, which redirects to the download host.
        case content
        /// A folder's children, a drive.
        case listing
        /// The download host.
        case download
    }

    /// What goes wrong. Positions are those in the item's bytes, whatever the range asked for: a fault with a position
    /// waits for a request whose answer covers it (position = size: one that reaches the end).
    public enum Action: Sendable, Codable, Equatable {
        /// The connection is reset (RST) when the bytes before the position have arrived.
        case reset(at: Int64)
        /// The connection ends in order (FIN) after the bytes before the position.
        case close(at: Int64)
        /// The bytes pause at the position.
        case stall(at: Int64, seconds: Double)
        /// The byte at the position has all its bits inverted.
        case flip(at: Int64)
        /// The connection is reset before any answer.
        case hangUp
        /// The answer begins late.
        case delay(seconds: Double)
        /// An error in the endpoint's own form: Graph's or Entra's JSON, the download host's HTML.
        case status(code: Int, retryAfter: Int? = nil)
        /// A page of HTML instead of the answer.
        case html(status: Int)
        /// The URL in use expires, now and for good.
        case expireURL
        /// 200 with all bytes, though a range was asked for.
        case ignoreRange
        /// Another range than asked for, and labelled as what it is.
        case otherRange(by: Int64)
        /// Bytes from elsewhere, labelled as the range asked for.
        case otherBytes(by: Int64)
        /// The Content-Range header as given; empty leaves it out.
        case contentRange(value: String)
        /// Content-Length says so many bytes more (or less) than are sent; then the connection ends.
        case contentLength(by: Int64)
        /// The item's size is told so much larger (or smaller) than it is: in its properties, in Content-Range's total.
        case size(by: Int64)
        /// Another ETag than the item's.
        case changedETag
        /// Another cTag than the item's.
        case changedCTag
        /// The item's properties lack these.
        case omit(properties: [String])
        /// The token endpoint refuses: `invalid_grant`, `interaction_required`, `temporarily_unavailable` …
        case tokenError(code: String)
        /// 302 to this address.
        case redirect(to: String)
    }

    /// For `times`: at every fitting request.
    public static let always = Int.max

    /// What goes wrong.
    public var action: Action
    /// Where; by default where the action makes sense: the token endpoint, an item's properties or the download host.
    public var endpoint: Endpoint
    /// The item's file name or id; `nil` fits all.
    public var item: String?
    /// `GET`, `HEAD`; `nil` fits all.
    public var method: String?
    /// A position in the item: only a download whose answer would carry that byte fits. `nil` fits all.
    public var covering: Int64?
    /// So many fitting requests are answered well before.
    public var skip: Int
    /// How often it happens.
    public var times: Int

    /// Makes a fault.
    public init(
        _ action: Action, on endpoint: Endpoint? = nil, item: String? = nil, method: String? = nil,
        covering: Int64? = nil, skip: Int = 0, times: Int = 1
    ) {
        self.action = action
        self.endpoint = endpoint ?? action.usualEndpoint
        self.item = item
        self.method = method
        self.covering = covering
        self.skip = skip
        self.times = times
    }

    /// Reads a fault; everything but `action` may be missing.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try values.decode(Action.self, forKey: .action),
            on: try values.decodeIfPresent(Endpoint.self, forKey: .endpoint),
            item: try values.decodeIfPresent(String.self, forKey: .item),
            method: try values.decodeIfPresent(String.self, forKey: .method),
            covering: try values.decodeIfPresent(Int64.self, forKey: .covering),
            skip: try values.decodeIfPresent(Int.self, forKey: .skip) ?? 0,
            times: try values.decodeIfPresent(Int.self, forKey: .times) ?? 1)
    }
}

extension Fault.Action {
    var usualEndpoint: Fault.Endpoint {
        switch self {
        case .tokenError: .token
        case .changedCTag, .omit: .item
        default: .download
        }
    }

    /// The action's name for the journal.
    var name: String { String(String(describing: self).prefix { $0 != "(" }) }

    /// The position a request's answer has to cover.
    var position: Int64? {
        switch self {
        case .reset(let at), .close(let at), .stall(let at, _), .flip(let at): at
        default: nil
        }
    }
}
