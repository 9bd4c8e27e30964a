import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Testing

struct RejectionTests {
    @Test func `a download URL takes no Authorization header`() async throws {
        try await Drive.with { drive async throws in
            let url = drive.url
            let answer = try await Curl.run(url, "-H", "Authorization: Bearer \(drive.sandbox.accessToken())")
            #expect(answer.status == 401)
            #expect(answer["Content-Type"]?.hasPrefix("text/html") == true)
            #expect(try await Curl.run(url).body == Drive.bytes)
        }
    }

    @Test func `a download URL is good only byte for byte`() async throws {
        try await Drive.with { drive async throws in
            let url = drive.url
            let parts = url.split(separator: "?", maxSplits: 1).map(String.init)
            let sorted = parts[1].split(separator: "&").sorted().joined(separator: "&")
            #expect(sorted != parts[1])
            for changed in [
                parts[0] + "?" + sorted, url.replacing("%3d", with: "%3D"), url.replacing("%2F", with: "/"),
                url + "&x=1", String(url.dropLast()),
            ] {
                #expect(changed != url)
                #expect(try await Curl.run(changed).status == 401)
            }
            #expect(try await Curl.run(url).status == 200)
        }
    }

    @Test func `an expired URL is refused while a running download goes on`() async throws {
        try await Drive.with { drive async throws in
            let url = drive.url
            drive.sandbox.setBandwidth(total: 2e6)
            async let running = Curl.run(url)
            _ = try await drive.sandbox.firstRequest { $0.bytesSent > 0 }
            drive.sandbox.expireURLs()
            #expect(try await Curl.run(url).status == 401)
            #expect(try await running.body == Drive.bytes)
            #expect(try await Curl.run(drive.url).status == 200)
        }
    }

    @Test func `a URL expires by itself`() async throws {
        try await Drive.with {
            $0.urlLifetime = .seconds(2)
        } _: { drive async throws in
            let url = drive.url
            #expect(try await Curl.run(url).status == 200)
            try await Task.sleep(for: .seconds(2))
            #expect(try await Curl.run(url).status == 401)
        }
    }

    @Test func `Graph wants a good token`() async throws {
        try await Drive.with { drive async throws in
            let address = drive.sandbox.graphURL + drive.itemPath
            let expired = drive.sandbox.accessToken(lifetime: .milliseconds(-1))
            for arguments in ["Accept: */*", "Authorization: Bearer nonsense", "Authorization: Bearer \(expired)"] {
                let answer = try await Curl.run(address, "-H", arguments)
                let error = answer.json["error"] as? [String: Any]
                #expect(answer.status == 401)
                #expect(error?["code"] as? String == "InvalidAuthenticationToken")
                #expect((error?["innerError"] as? [String: Any])?["request-id"] is String)
            }
            let token = drive.sandbox.accessToken()
            #expect(try await Curl.run(address, "-H", "Authorization: Bearer \(token)").status == 200)
            drive.sandbox.revokeTokens()
            #expect(try await Curl.run(address, "-H", "Authorization: Bearer \(token)").status == 401)
        }
    }

    @Test func `client credentials reach a drive but not me`() async throws {
        try await Drive.with { drive async throws in
            let form = [
                "grant_type": "client_credentials", "client_secret": drive.sandbox.options.clientSecret,
                "scope": "https://graph.microsoft.com/.default",
            ]
            #expect(try await drive.token(tenant: "consumers", form).status == 400)
            let granted = try await drive.token(tenant: drive.sandbox.options.tenant, form).json
            #expect(granted["refresh_token"] == nil)
            let header = "Authorization: Bearer \(granted["access_token"] as? String ?? "")"
            let id = drive.sandbox.itemID(for: "clip.mp4")
            let me = try await Curl.run("\(drive.sandbox.graphURL)/me/drive/items/\(id)", "-H", header)
            #expect(me.status == 400)
            for place in ["drives/\(drive.sandbox.driveID)", "users/\(drive.sandbox.options.user)/drive"] {
                let answer = try await Curl.run("\(drive.sandbox.graphURL)/\(place)/items/\(id)", "-H", header)
                #expect(answer.status == 200)
            }
        }
    }

    @Test(arguments: [
        "/me/drive/items/5A4D8C7B6E9F0123!s00", "/drives/ffff/items/5A4D8C7B6E9F0123!s00", "/me/drive/root:/none.mp4",
    ])
    func `what isn't there is itemNotFound`(path: String) async throws {
        try await Drive.with { drive async throws in
            let answer = try await drive.graph(path)
            #expect(answer.status == 404)
            #expect((answer.json["error"] as? [String: Any])?["code"] as? String == "itemNotFound")
        }
    }
}

struct TokenTests {
    @Test(arguments: [false, true])
    func `a refresh token rotates, and the used one is revoked only where told`(revokes: Bool) async throws {
        try await Drive.with {
            $0.revokesUsedRefreshTokens = revokes
        } _: { drive async throws in
            let first = drive.sandbox.refreshToken
            let form = ["grant_type": "refresh_token", "refresh_token": first]
            let answer = try await drive.token(form).json
            let second = try #require(answer["refresh_token"] as? String)
            #expect(second != first)
            #expect(second == drive.sandbox.refreshToken)
            #expect(answer["expires_in"] as? Int == 3599)
            let again = try await drive.token(form)
            #expect(again.status == (revokes ? 400 : 200))
            if revokes { #expect(again.json["error"] as? String == "invalid_grant") }
        }
    }

    @Test func `faulty requests for tokens are refused as Entra does`() async throws {
        try await Drive.with { drive async throws in
            let refresh = ["grant_type": "refresh_token", "refresh_token": drive.sandbox.refreshToken]
            let cases: [([String: String], Int, String)] = [
                ([:], 400, "invalid_request"),
                (["grant_type": "refresh_token"], 400, "invalid_request"),
                (["grant_type": "refresh_token", "refresh_token": "x"], 400, "invalid_grant"),
                (["grant_type": "password"], 400, "unsupported_grant_type"),
                (refresh.merging(["client_id": "x"]) { $1 }, 400, "unauthorized_client"),
                (refresh.merging(["client_secret": "x"]) { $1 }, 401, "invalid_client"),
            ]
            for (form, status, code) in cases {
                let answer = try await drive.token(form)
                #expect(answer.status == status)
                #expect(answer.json["error"] as? String == code)
                #expect((answer.json["error_description"] as? String)?.hasPrefix("AADSTS") == true)
            }
            #expect(try await drive.token(tenant: "elsewhere", refresh).status == 400)
            let secret = ["client_secret": drive.sandbox.options.clientSecret]
            #expect(try await drive.token(refresh.merging(secret) { $1 }).status == 200)
        }
    }
}
