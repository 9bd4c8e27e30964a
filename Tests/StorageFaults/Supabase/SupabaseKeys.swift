import Crypto
import Foundation

/// A project's keys: JWTs signed with one secret (HS256), as legacy projects have them, and an opaque secret key.
public struct SupabaseKeys: Sendable {
    /// The anonymous key: public, and the S3 session credentials' secret.
    public let anonymous: String
    /// The service role's key: may do everything.
    public let service: String
    /// A service role's key that has expired.
    public let expired: String
    /// A new-style key for the `apikey` header.
    public let secret: String

    private let signing: SymmetricKey

    /// New keys.
    public init() {
        signing = SymmetricKey(size: .bits256)
        let now = Int(Date().timeIntervalSince1970)
        anonymous = Self.sign("anon", expires: now + 86400, signing)
        service = Self.sign("service_role", expires: now + 86400, signing)
        expired = Self.sign("service_role", expires: now - 60, signing)
        secret = "sb_secret_\(UUID().uuidString.replacing("-", with: ""))"
    }

    /// The role of a good JWT; `nil` for anything else.
    func role(of token: String) -> String? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let signature = Data(base64URL: parts[2]), let claims = Data(base64URL: parts[1]),
            HMAC<SHA256>.isValidAuthenticationCode(
                signature, authenticating: Data("\(parts[0]).\(parts[1])".utf8), using: signing),
            let json = try? JSONSerialization.jsonObject(with: claims) as? [String: Any],
            let expires = json["exp"] as? Double, expires > Date().timeIntervalSince1970
        else { return nil }
        return json["role"] as? String
    }

    private static func sign(_ role: String, expires: Int, _ key: SymmetricKey) -> String {
        let head = Data(#"{"alg":"HS256","typ":"JWT"}"#.utf8).base64URL
        let claims = Data(#"{"role":"\#(role)","iss":"supabase","exp":\#(expires)}"#.utf8).base64URL
        let signature = Data(HMAC<SHA256>.authenticationCode(for: Data("\(head).\(claims)".utf8), using: key))
        return "\(head).\(claims).\(signature.base64URL)"
    }
}

extension Data {
    fileprivate var base64URL: String {
        base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    fileprivate init?(base64URL text: String) {
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        self.init(base64Encoded: plain + String(repeating: "=", count: (4 - plain.count % 4) % 4))
    }
}
