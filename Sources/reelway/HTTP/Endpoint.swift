import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// One method of one path, and what answers it. The list of them is what is served, and what `openapi.json` describes.
struct Endpoint: Sendable {
    /// Who may call it.
    enum Access: Sendable {
        case open
        case token
    }

    let method: HTTPRequest.Method
    /// As OpenAPI writes it: `/videos/{id}`.
    let path: String
    let access: Access
    let handle: @Sendable (Request, APIContext) async throws -> Response

    init(
        _ method: HTTPRequest.Method, _ path: String, access: Access = .token,
        _ handle: @escaping @Sendable (Request, APIContext) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.handle = handle
    }

    /// Whether a request's path is one of this endpoint's.
    func matches(_ requested: String) -> Bool {
        let wanted = path.split(separator: "/")
        let given = requested.split(separator: "/")
        return wanted.count == given.count
            && zip(wanted, given).allSatisfy { part, value in part.hasPrefix("{") || part == value }
    }

    /// The methods that are served at a path: those of the endpoints there, and HEAD beside GET.
    static func methods(at requested: String, in endpoints: [Endpoint]) -> [HTTPRequest.Method] {
        let methods = endpoints.filter { $0.matches(requested) }.map(\.method)
        return methods.contains(.get) && !methods.contains(.head) ? methods + [.head] : methods
    }
}

extension APIContext {
    /// A part of the path, percent-decoded.
    func pathParameter(_ name: String) throws -> String {
        guard let raw = parameters.get(name), let value = raw.removingPercentEncoding, !value.contains("\0") else {
            throw APIError.badRequest("\(name) in the path is not percent-encoded UTF-8")
        }
        return value
    }
}

extension Request {
    /// The only value of a query parameter, percent-decoded; `nil` where it isn't given.
    func queryParameter(_ name: String) throws -> String? {
        let values = (uri.query ?? "").split(separator: "&").compactMap { pair -> String? in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts[0] == name else { return nil }
            return parts.count == 2 ? String(parts[1]).replacing("+", with: " ") : ""
        }
        guard values.count < 2 else { throw APIError.badRequest("\(name) is given more than once") }
        guard let raw = values.first else { return nil }
        guard let value = raw.removingPercentEncoding, !value.contains("\0") else {
            throw APIError.badRequest("\(name) in the query is not percent-encoded UTF-8")
        }
        return value
    }

    /// The members of the JSON object in the body.
    func jsonObject() async throws -> [String: JSONValue] {
        // What is announced as too much isn't read.
        if let announced = headers[.contentLength].flatMap({ Int($0) }), announced > Self.bodyLimit {
            throw APIError.bodyTooLarge
        }
        let bytes: ByteBuffer
        do {
            bytes = try await body.collect(upTo: Self.bodyLimit)
        } catch is NIOTooManyBytesError {
            throw APIError.bodyTooLarge
        }
        guard bytes.readableBytes > 0 else { throw APIError.badRequest("the body is empty; send a JSON object") }
        do {
            return try JSONDecoder().decode([String: JSONValue].self, from: Data(bytes.readableBytesView))
        } catch DecodingError.typeMismatch {
            throw APIError.badRequest("the body is not a JSON object")
        } catch {
            throw APIError.badRequest("the body is not JSON")
        }
    }

    /// The largest body that is read, in bytes.
    static let bodyLimit = 64 << 10
}
