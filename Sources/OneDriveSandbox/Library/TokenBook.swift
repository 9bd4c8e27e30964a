import Foundation

/// Which tokens are good, and the token endpoint's rules.
struct TokenBook {
    /// On whose behalf a token speaks.
    enum Kind: Equatable {
        case user
        case application
    }

    /// Why a token is refused.
    enum Refusal: Error, Equatable {
        case missing
        case unknown
        case expired
    }

    private(set) var refreshToken: String
    private var usedRefreshTokens: Set<String> = []
    private var accessTokens: [String: (kind: Kind, end: ContinuousClock.Instant)] = [:]
    private let options: SandboxOptions

    init(_ options: SandboxOptions) {
        self.options = options
        refreshToken = options.refreshToken
    }

    mutating func accessToken(_ kind: Kind, lifetime: Duration, now: ContinuousClock.Instant = .now) -> String {
        let token = "EwSandbox.\(kind == .user ? "u" : "a").\(Self.random())"
        accessTokens[token] = (kind, now + lifetime)
        return token
    }

    /// Makes every access token invalid; with `refreshTokens` those too.
    mutating func revoke(refreshTokens: Bool) {
        accessTokens.removeAll()
        if refreshTokens {
            usedRefreshTokens.removeAll()
            refreshToken = "M.C5_SANDBOX.0.U.-\(Self.random())"
        }
    }

    func kind(
        ofAuthorization header: String?, now: ContinuousClock.Instant = .now
    ) throws(Refusal) -> Kind {
        guard let header, header.lowercased().hasPrefix("bearer ") else { throw .missing }
        guard let entry = accessTokens[String(header.dropFirst(7))] else { throw .unknown }
        guard now < entry.end else { throw .expired }
        return entry.kind
    }

    /// An answer of the token endpoint.
    struct Answer {
        var status: Int
        var json: [String: any Sendable]
    }

    /// Answers a request for tokens.
    mutating func grant(tenant: String, form: [String: String], now: ContinuousClock.Instant = .now) -> Answer {
        guard let grant = form["grant_type"] else {
            return Self.error("invalid_request", 900144, "The request body must contain the parameter 'grant_type'.")
        }
        let shared = ["consumers", "organizations", "common"]
        guard shared.contains(tenant) || tenant == options.tenant else {
            return Self.error("invalid_request", 90002, "Tenant '\(tenant)' not found.")
        }
        guard form["client_id"] == options.clientID else {
            return Self.error("unauthorized_client", 700016, "Application was not found in the directory.")
        }
        if let secret = form["client_secret"], secret != options.clientSecret {
            return Self.error("invalid_client", 7_000_215, "Invalid client secret provided.", status: 401)
        }
        switch grant {
        case "refresh_token": return refresh(form, now)
        case "client_credentials":
            guard form["client_secret"] != nil else {
                return Self.error(
                    "invalid_client", 7_000_218,
                    "The request body must contain the parameter 'client_assertion' or 'client_secret'.", status: 401)
            }
            guard !shared.contains(tenant) else {
                return Self.error(
                    "invalid_request", 90014, "Client credentials need the tenant's own id or domain.")
            }
            guard form["scope"]?.hasSuffix("/.default") == true else {
                return Self.error("invalid_scope", 1_002_012, "The provided value for scope is not valid.")
            }
            let token = accessToken(.application, lifetime: options.tokenLifetime, now: now)
            return Answer(status: 200, json: tokens(token, refresh: nil, scope: nil))
        default:
            return Self.error("unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        }
    }

    private mutating func refresh(_ form: [String: String], _ now: ContinuousClock.Instant) -> Answer {
        guard let presented = form["refresh_token"] else {
            return Self.error(
                "invalid_request", 900144, "The request body must contain the parameter 'refresh_token'.")
        }
        guard presented == refreshToken || usedRefreshTokens.contains(presented) else {
            return Self.error(
                "invalid_grant", 70000, "The provided value for the input parameter 'refresh_token' is not valid.")
        }
        let scope = form["scope"] ?? "Files.Read offline_access"
        let access = accessToken(.user, lifetime: options.tokenLifetime, now: now)
        guard scope.split(separator: " ").contains("offline_access") else {
            return Answer(status: 200, json: tokens(access, refresh: nil, scope: scope))
        }
        if !options.revokesUsedRefreshTokens { usedRefreshTokens.insert(refreshToken) }
        refreshToken = "M.C5_SANDBOX.0.U.-\(Self.random())!*$"
        return Answer(status: 200, json: tokens(access, refresh: refreshToken, scope: scope))
    }

    private func tokens(_ access: String, refresh: String?, scope: String?) -> [String: any Sendable] {
        var json: [String: any Sendable] = [
            "token_type": "Bearer", "access_token": access, "expires_in": Int(options.tokenLifetime.components.seconds),
            "ext_expires_in": Int(options.tokenLifetime.components.seconds),
        ]
        json["refresh_token"] = refresh
        json["scope"] = scope
        return json
    }

    /// An error in Entra's form.
    static func error(_ code: String, _ number: Int, _ sentence: String, status: Int = 400) -> Answer {
        let trace = UUID().uuidString.lowercased()
        let correlation = UUID().uuidString.lowercased()
        let time = Date().ISO8601Format()
        return Answer(
            status: status,
            json: [
                "error": code,
                "error_description":
                    "AADSTS\(number): \(sentence) Trace ID: \(trace) Correlation ID: \(correlation) Timestamp: \(time)",
                "error_codes": [number], "timestamp": time, "trace_id": trace, "correlation_id": correlation,
            ])
    }

    static func random() -> String {
        (0..<2).map { _ in
            let hex = String(UInt64.random(in: 0...UInt64.max), radix: 16)
            return String(repeating: "0", count: 16 - hex.count) + hex
        }.joined()
    }
}

extension TokenBook {
    /// Reads an `application/x-www-form-urlencoded` body.
    static func form(_ body: String) -> [String: String] {
        var values: [String: String] = [:]
        for pair in body.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.replacing("+", with: " ").removingPercentEncoding ?? ""
            }
            if let name = halves.first { values[name] = halves.count > 1 ? halves[1] : "" }
        }
        return values
    }
}
