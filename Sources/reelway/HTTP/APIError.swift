import Foundation
import HTTPTypes
import Hummingbird

/// A request that can't be fulfilled: an HTTP status, and one of the contract's codes with a sentence.
///
/// Two codes are added for what no job can end with: `unauthorized` and `conflict`.
struct APIError: Error, HTTPResponseError, Equatable {
    let status: HTTPResponse.Status
    let code: String
    let message: String
    var headers: HTTPFields = [:]
    /// What the log says instead, where that is none of the caller's business.
    let cause: Failure?

    init(
        _ status: HTTPResponse.Status, _ code: String, _ message: String, headers: HTTPFields = [:],
        cause: Failure? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.cause = cause
    }

    /// What the caller sent makes no sense.
    static func badRequest(_ message: String) -> APIError {
        APIError(.badRequest, ErrorCode.usage.rawValue, message)
    }

    static let unauthorized = APIError(
        .unauthorized, "unauthorized", "send the header Authorization: Bearer with the service's token",
        headers: [.wwwAuthenticate: "Bearer"])

    static let noSuchVideo = APIError(
        .notFound, ErrorCode.inputNotFound.rawValue, "there is no video of that id in product_videos")

    static let noSource = badRequest("the video's row names no onedrive_file_id: there is nothing to transcode")

    /// The video's state doesn't allow it.
    static func conflict(_ message: String) -> APIError { APIError(.conflict, "conflict", message) }

    static let bodyTooLarge = APIError(
        .contentTooLarge, ErrorCode.tooLarge.rawValue, "the body is larger than \(Request.bodyLimit >> 10) KiB")

    /// An error of a layer below, as far as it is the caller's business.
    init(_ failure: Failure) {
        switch failure.code {
        case .databaseUnavailable:
            self.init(.serviceUnavailable, failure.code.rawValue, failure.message, headers: [.retryAfter: "5"])
        case .usage:
            self.init(.badRequest, failure.code.rawValue, failure.message)
        case .inputNotFound:
            self.init(.notFound, failure.code.rawValue, failure.message)
        default:
            self.init(
                .internalServerError, ErrorCode.internal.rawValue, "the request failed; the service's log says why",
                cause: failure)
        }
    }

    /// `CODE: sentence`, for the log.
    var logged: String { cause?.description ?? "\(code): \(message)" }

    private struct Body: Encodable {
        struct Fields: Encodable {
            let code: String
            let message: String
        }
        let error: Fields
    }

    /// The bytes of the JSON answer.
    var body: ByteBuffer { JSONAnswer.buffer(Body(error: Body.Fields(code: code, message: message))) }

    func response(from request: Request, context: some RequestContext) -> Response {
        var fields = headers
        fields[.contentType] = JSONAnswer.contentType
        return Response(status: status, headers: fields, body: ResponseBody(byteBuffer: body))
    }
}

/// JSON bodies: keys sorted, slashes as they are.
enum JSONAnswer {
    static let contentType = "application/json; charset=utf-8"

    static func response(_ status: HTTPResponse.Status, _ value: some Encodable) -> Response {
        Response(
            status: status, headers: [.contentType: contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: buffer(value)))
    }

    /// Only texts, numbers and their collections are answered with, which can always be encoded.
    static func buffer(_ value: some Encodable) -> ByteBuffer {
        ByteBuffer(string: (try? JSON.text(of: value, onOneLine: true)) ?? "{}")
    }
}
