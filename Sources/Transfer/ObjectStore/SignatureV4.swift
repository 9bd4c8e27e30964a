internal import Crypto
public import Foundation

/// AWS Signature Version 4, in the `Authorization` header.
///
/// ```
/// method, path, query, headers, payload hash ─▶ canonical request ─sha256─▶ string to sign ─┐
/// secret ─▶ date ─▶ region ─▶ service ─▶ "aws4_request" ─────────────────▶ signing key ──HMAC─▶ signature
/// ```
///
/// S3's variant: the path is signed as it is sent, without a second encoding and without taking `..` out.
public struct SignatureV4: Sendable {
    /// Stands for the hash of a body that isn't signed; stores take it where the connection protects the body.
    public static let unsignedPayload = "UNSIGNED-PAYLOAD"

    private let accessKey: String
    private let secretKey: String
    private let sessionToken: String?
    private let region: String
    private let service: String

    /// Credentials and the scope they are used in. A session token travels, signed, in `x-amz-security-token`.
    public init(
        accessKey: String, secretKey: String, sessionToken: String? = nil, region: String, service: String = "s3"
    ) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.region = region
        self.service = service
    }

    /// The request with its date, payload hash, session token and signature.
    ///
    /// - Parameter payloadHash: SHA-256 of the body in hexadecimal, or `unsignedPayload`.
    public func sign(_ request: HTTPRequest, payloadHash: String, at date: Date) -> HTTPRequest {
        var signed = request
        signed.headers.append(("x-amz-date", SignatureV4.timestamp(date)))
        signed.headers.append(("x-amz-content-sha256", payloadHash))
        if let sessionToken { signed.headers.append(("x-amz-security-token", sessionToken)) }
        signed.headers.append(("Authorization", authorization(for: signed, payloadHash: payloadHash, at: date)))
        return signed
    }

    /// The value of `Authorization` for a request that has all its other headers. Each of them is signed, and `Host`.
    public func authorization(for request: HTTPRequest, payloadHash: String, at date: Date) -> String {
        let (canonical, signedHeaders) = SignatureV4.canonicalRequest(request, payloadHash: payloadHash)
        let time = SignatureV4.timestamp(date)
        let day = String(time.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let toSign = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(SignatureV4.sha256(Array(canonical.utf8)))"

        var key = SymmetricKey(data: Array("AWS4\(secretKey)".utf8))
        for part in [day, region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = Hexadecimal.string(HMAC<SHA256>.authenticationCode(for: Array(toSign.utf8), using: key))
        let credential = "\(accessKey)/\(scope)"
        return "AWS4-HMAC-SHA256 Credential=\(credential), SignedHeaders=\(signedHeaders), Signature=\(signature)"
    }

    /// SHA-256 of a body in hexadecimal.
    public static func sha256(_ bytes: [UInt8]) -> String { Hexadecimal.string(SHA256.hash(data: bytes)) }

    static func canonicalRequest(
        _ request: HTTPRequest, payloadHash: String
    ) -> (text: String, signedHeaders: String) {
        let address = SignedAddress(request.url)
        var headers = Dictionary(grouping: request.headers) { $0.name.lowercased() }
            .mapValues { $0.map { SignatureV4.trimmed($0.value) }.joined(separator: ",") }
        if headers["host"] == nil { headers["host"] = address.authority }
        let names = headers.keys.sorted()
        let signedHeaders = names.joined(separator: ";")
        let query = address.query.split(separator: "&")
            .map { pair in
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (name: String(halves[0]), value: halves.count > 1 ? String(halves[1]) : "")
            }
            .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
            .map { "\($0.name)=\($0.value)" }
            .joined(separator: "&")
        let lines =
            [request.method, address.path, query] + names.map { "\($0):\(headers[$0] ?? "")" }
            + ["", signedHeaders, payloadHash]
        return (lines.joined(separator: "\n"), signedHeaders)
    }

    /// `20130524T000000Z`.
    private static func timestamp(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(dateSeparator: .omitted, timeSeparator: .omitted))
    }

    private static func trimmed(_ value: String) -> String {
        value.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

/// The pieces of an address that are signed, exactly as they are sent.
private struct SignedAddress {
    let authority: String
    let path: String
    let query: String

    init(_ url: String) {
        let halves = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        query = halves.count > 1 ? String(halves[1]) : ""
        let scheme = url.firstRange(of: "://")?.upperBound ?? url.startIndex
        let place = halves[0][scheme...]
        let slash = place.firstIndex(of: "/") ?? place.endIndex
        authority = String(place[..<slash])
        path = slash == place.endIndex ? "/" : String(place[slash...])
    }
}
