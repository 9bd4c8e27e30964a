internal import FoundationEssentials

/// What an error of Microsoft Graph or of the token endpoint means. Decides only.
enum GraphError {
    /// The codes of Graph's error JSON, the most specific first; empty for what isn't such JSON.
    static func codes(in json: [UInt8]) -> [String] {
        struct Answer: Decodable {
            var error: Node?
        }
        final class Node: Decodable {
            var code: String?
            var inner: Node?

            // Both spellings are in use.
            enum CodingKeys: String, CodingKey {
                case code, innerError, innererror
            }

            init(from decoder: any Decoder) throws {
                let values = try decoder.container(keyedBy: CodingKeys.self)
                code = try? values.decodeIfPresent(String.self, forKey: .code)
                let first = try? values.decodeIfPresent(Node.self, forKey: .innerError)
                let second = try? values.decodeIfPresent(Node.self, forKey: .innererror)
                inner = first ?? second
            }
        }
        var node = (try? JSONDecoder().decode(Answer.self, from: Data(json)))?.error
        var codes: [String] = []
        while let current = node {
            if let code = current.code, !code.isEmpty { codes.append(code) }
            node = current.inner
        }
        return codes.reversed()
    }

    /// The error for an answer of Graph about an item.
    static func error(_ response: HTTPResponse, item: String, now: Int64) -> TransferError {
        let codes = codes(in: response.body)
        let status = response.head.status
        for code in codes {
            if let error = error(code, item: item) { return error }
        }
        switch status {
        case 401: return signedOut
        case 403: return forbidden(item)
        case 404, 410: return notFound(item)
        case 429, 503, 509:
            let wait = RetryPolicy.retryAfter(response.head["Retry-After"], now: now)
            return TransferError(
                .sourceThrottled, "OneDrive is busy (HTTP \(status)); try again later", retryAfter: wait)
        default:
            let word = codes.first.map { ", \($0.prefix(60).filter { $0.isLetter || $0.isNumber })" } ?? ""
            return TransferError(
                .sourceUnavailable, "OneDrive answered HTTP \(status)\(word) for item \(item); try again later")
        }
    }

    private static func error(_ code: String, item: String) -> TransferError? {
        switch code {
        case "itemNotFound", "ResourceNotFound", "Request_ResourceNotFound", "invalidRequest": notFound(item)
        case "unauthenticated", "InvalidAuthenticationToken", "CompactToken", "tokenExpired": signedOut
        case "accessDenied", "Authorization_RequestDenied", "notAllowed": forbidden(item)
        case "malwareDetected", "virusSuspicious":
            TransferError(.sourceForbidden, "OneDrive found malware in item \(item); replace the file")
        default: nil
        }
    }

    private static let signedOut = TransferError(
        .sourceAuth,
        "OneDrive refuses the access token; sign in again and set ONEDRIVE_REFRESH_TOKEN, or a fresh ONEDRIVE_ACCESS_TOKEN, "
            + "which lasts about an hour")

    private static func forbidden(_ item: String) -> TransferError {
        TransferError(
            .sourceAuth,
            "OneDrive denies access to item \(item); grant the application Files.Read.All, or share the file")
    }

    private static func notFound(_ item: String) -> TransferError {
        TransferError(.inputNotFound, "OneDrive has no item \(item); check the item and drive id")
    }

    /// The error for a refusal of the token endpoint, and whether the same request may work later.
    static func tokenError(_ response: HTTPResponse, now: Int64) -> (error: TransferError, isTransient: Bool) {
        struct Answer: Decodable {
            var error: String?
        }
        let status = response.head.status
        let code = (try? JSONDecoder().decode(Answer.self, from: Data(response.body)))?.error ?? ""
        switch code {
        case "invalid_grant", "interaction_required", "consent_required", "login_required":
            return (
                TransferError(
                    .sourceAuth, "OneDrive's sign-in has ended (\(code)); sign in again and set ONEDRIVE_REFRESH_TOKEN"),
                false
            )
        case "invalid_client", "unauthorized_client":
            return (
                TransferError(
                    .sourceAuth,
                    "Microsoft doesn't accept the application (\(code)); check ONEDRIVE_CLIENT_ID, ONEDRIVE_CLIENT_SECRET "
                        + "and ONEDRIVE_TENANT"), false
            )
        case "temporarily_unavailable", "server_error":
            return (TransferError(.sourceUnavailable, "Microsoft's sign-in is down (\(code)); try again later"), true)
        default:
            let isTransient = RetryPolicy.isTransient(status)
            let wait = RetryPolicy.retryAfter(response.head["Retry-After"], now: now)
            if isTransient || status < 400 {
                let kind: TransferError.Code = status == 429 ? .sourceThrottled : .sourceUnavailable
                return (
                    TransferError(
                        kind, "Microsoft's sign-in answered HTTP \(status); try again later", retryAfter: wait),
                    isTransient
                )
            }
            return (
                TransferError(
                    .sourceAuth,
                    "Microsoft's sign-in refused the request (HTTP \(status)); check ONEDRIVE_TENANT and ONEDRIVE_LOGIN_URL"
                ),
                false
            )
        }
    }
}
