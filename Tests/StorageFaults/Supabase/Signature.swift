import Crypto
import Foundation
import LoopbackHTTP

/// AWS Signature Version 4 of requests with an Authorization header, as Supabase verifies it: the path exactly as sent,
/// the query sorted, the payload hash as the header says it, else `UNSIGNED-PAYLOAD`.
struct Signature {
    let accessKey: String
    let date: String
    let region: String
    let signedHeaders: [String]
    let hex: String

    /// Reads an Authorization header; `nil` if it is no signature.
    init?(_ header: String?) {
        guard let header, header.hasPrefix("AWS4-HMAC-SHA256 ") else { return nil }
        var fields: [Substring: Substring] = [:]
        for field in header.dropFirst(17).split(separator: ",") {
            let halves = field.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            if halves.count == 2 { fields[halves[0]] = halves[1] }
        }
        guard let scope = fields["Credential"]?.split(separator: "/", omittingEmptySubsequences: false),
            scope.count == 5, scope[3] == "s3", scope[4] == "aws4_request", let names = fields["SignedHeaders"],
            let hex = fields["Signature"]
        else { return nil }
        accessKey = String(scope[0])
        date = String(scope[1])
        region = String(scope[2])
        signedHeaders = names.split(separator: ";").map(String.init)
        self.hex = String(hex)
    }

    /// Whether this is the signature of the request under a secret.
    func verifies(_ request: LoopbackRequest, secret: String) -> Bool {
        guard signedHeaders.contains("host"), let time = request["x-amz-date"], time.hasPrefix(date) else {
            return false
        }
        return hex
            == Self.compute(
                request, path: request.path, names: signedHeaders, time: time, region: region, secret: secret)
    }

    /// A request like another with a signature of its own: for a store behind.
    static func sign(
        _ request: LoopbackRequest, target: String, host: String, accessKey: String, secret: String,
        region: String = "us-east-1"
    ) -> LoopbackRequest {
        let form = DateFormatter()
        form.locale = Locale(identifier: "en_US_POSIX")
        form.timeZone = TimeZone(secondsFromGMT: 0)
        form.dateFormat = "yyyyMMdd'T'HHmmss'Z'"
        let time = form.string(from: Date())
        let dropped: Set = [
            "host", "authorization", "x-amz-date", "x-amz-security-token", "expect", "apikey", "connection",
            "x-amz-content-sha256", "x-upsert",
        ]
        var headers = request.headers.filter { !dropped.contains($0.name.lowercased()) }
        headers += [
            ("Host", host), ("x-amz-date", time),
            ("x-amz-content-sha256", request["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD"),
        ]
        let names = ["host", "x-amz-content-sha256", "x-amz-date"]
        let unsigned = LoopbackRequest(method: request.method, target: target, headers: headers)
        let hex = compute(unsigned, path: unsigned.path, names: names, time: time, region: region, secret: secret)
        let scope = "\(accessKey)/\(time.prefix(8))/\(region)/s3/aws4_request"
        headers.append(
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=\(scope), SignedHeaders=\(names.joined(separator: ";")), Signature=\(hex)"
            ))
        return LoopbackRequest(method: request.method, target: target, headers: headers)
    }

    private static func compute(
        _ request: LoopbackRequest, path: String, names: [String], time: String, region: String, secret: String
    ) -> String {
        let query = (request.query ?? "").split(separator: "&").map { pair -> (String, String) in
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { encode($0.removingPercentEncoding ?? String($0)) }
            return (halves[0], halves.count > 1 ? halves[1] : "")
        }.sorted { $0 < $1 }
        let headers = names.map { name in
            let values = request.headers.filter { $0.name.lowercased() == name }.map {
                $0.value.split(separator: " ").joined(separator: " ")
            }
            return "\(name):\(values.joined(separator: ","))\n"
        }
        let canonical = [
            request.method, path, query.map { "\($0)=\($1)" }.joined(separator: "&"), headers.joined(),
            names.joined(separator: ";"), request["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD",
        ].joined(separator: "\n")
        let day = String(time.prefix(8))
        let digest = SHA256.hash(data: Data(canonical.utf8)).hex
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(day)/\(region)/s3/aws4_request\n\(digest)"
        var key = SymmetricKey(data: Data("AWS4\(secret)".utf8))
        for step in [day, region, "s3", "aws4_request"] {
            key = SymmetricKey(data: Data(HMAC<SHA256>.authenticationCode(for: Data(step.utf8), using: key)))
        }
        return HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key).hex
    }

    private static func encode(_ text: String) -> String {
        let allowed = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
        return text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text
    }
}

extension Sequence<UInt8> {
    fileprivate var hex: String {
        map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
