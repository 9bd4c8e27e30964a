import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Postgres
import StorageFaults
import Testing

@testable import reelway

@Suite(.enabled(if: Shop.isThere), .serialized)
struct SecretTests {
    @Test func `nothing that a worker says, writes or answers holds a secret`() async throws {
        var sandbox = SandboxOptions()
        sandbox.clientSecret = "planted-client-secret+/&="
        sandbox.refreshToken = "planted-refresh-token!*$"
        let token = "planted-api-token-0123456789"
        var secrets = [
            "REELWAY_API_TOKEN": token, "ONEDRIVE_CLIENT_SECRET": sandbox.clientSecret,
            "ONEDRIVE_REFRESH_TOKEN": sandbox.refreshToken,
            "SUPABASE_SERVICE_ROLE_KEY": "planted-service-key", "SUPABASE_ANON_KEY": "planted-anon-key",
        ]
        let settings = secrets.merging([
            "LOG_LEVEL": "trace", "PORT": "0", "REELWAY_MAX_ATTEMPTS": "1", "REELWAY_STALL_SECONDS": "2",
            "SUPABASE_URL": "http://127.0.0.1:1",
        ]) { $1 }
        try await Shop.with(settings, sandbox: sandbox) { shop in
            secrets["S3_SECRET_ACCESS_KEY"] = shop.environment["S3_SECRET_ACCESS_KEY"]
            // The database's password, in both spellings.
            secrets["password"] = "planted-secret/password"
            secrets["escaped password"] = "planted-secret%2Fpassword"
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            shop.drive.setFaults([
                Fault(.redirect(to: "http://192.0.2.1/?tempauth=planted-redirect"), item: Clips.small, times: .max),
                Fault(.stall(at: 100_000, seconds: 600), item: Clips.large, times: .max),
            ])
            let good = try await shop.insert(Clips.foreign)
            let refused = try await shop.insert(Clips.foreign)
            let bad = [
                refused, try await shop.insert(Clips.small), try await shop.insert(Clips.large),
                try await shop.test.insertVideo("no-such-item"),
            ]
            // What a store says in its own words goes no further either.
            proxy.setFaults([
                StorageFault(.refuse(.s3(403, code: "planted-store-words")), path: refused, times: .max)
            ])
            let service = try shop.service(["S3_ENDPOINT": proxy.url])
            let port = try await service.port()
            try await shop.ready(good, within: 120)
            for id in bad { try await shop.wait(id, within: 120) { $0["social_ready_status"] == "failed" } }
            // One more whose sign-in fails.
            shop.drive.setFaults([Fault(.tokenError(code: "invalid_grant"), times: .max)])
            shop.drive.revokeTokens()
            let last = try await shop.insert(Clips.foreign)
            try await shop.wait(last, within: 120) { $0["social_ready_status"] == "failed" }

            var said: [String] = []
            for path in ["/metrics", "/readyz", "/openapi.json"]
                + ([good, last] + bad).flatMap({
                    ["/videos/\($0)", "/videos/\($0)/events", "/videos/\($0)/social-ready"]
                })
            {
                let answer = try await HTTPConnection.with(port: port) { connection in
                    try await connection.request("GET", path, headers: ["authorization": "Bearer \(token)"])
                }
                said.append("\(path) \(answer.headers) \(answer.text)")
            }
            service.signal(SIGTERM)
            let end = try await service.end(within: 40)
            #expect(end.status == 0, "\(end.errors)")
            said += [end.output, end.errors]
            for table in ["product_videos", "reelway_objects"] {
                said += try await shop.test.database.query("select row_to_json(t)::text as line from \(table) t").rows
                    .compactMap { $0["line"] }
            }
            let all = said.joined(separator: "\n")
            // All that was to be looked at is there.
            for part in ["video taken", "\"quickXorHash\"", "source_forbidden", "source_auth", "input_not_found"] {
                #expect(all.contains(part), "\(part) in \(all)")
            }
            // What the sandbox handed out: access tokens, and addresses that are keys themselves.
            let issued = shop.drive.requests.compactMap {
                $0["Authorization"]?.split(separator: " ").last.map(String.init)
            }
            #expect(!issued.isEmpty)
            for secret in Array(secrets.values) + Set(issued)
                + ["tempauth", "planted-redirect", "planted-store-words", "EwSandbox", "M.C5_SANDBOX"]
            {
                #expect(!all.contains(secret), "\(secret) was said")
            }
            await proxy.stop()
        }
    }
}
