import Foundation
import Postgres
import Testing

@testable import reelway

@Suite(.enabled(if: TestDatabase.isThere))
struct ServeCommandTests {
    @Test func `serve says where it listens, answers, and stops when it is told to`() async throws {
        try await TestDatabase.withStore { test, _ in
            for signal in [SIGTERM, SIGINT, SIGHUP] {
                let serve = try Program(
                    Program.reelway, ["serve", "--role", "http", "--port", "0"],
                    environment: ["DATABASE_URL": test.address, "PORT": "1", "LOG_FORMAT": "json"])
                let port = try await serve.port()
                let id = try await test.insertVideo()
                try await HTTPConnection.with(port: port) { connection in
                    #expect(try await connection.request("GET", "/readyz").status == 200)
                    try await connection.send("GET /videos/\(id)/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    #expect(try await connection.event(afterHead: true).name == "progress")
                    // Neither an open stream nor an idle connection keeps it.
                    serve.signal(signal)
                    #expect(await connection.closes(within: 20))
                }
                let end = try await serve.end(within: 15)
                #expect(end.status == 0, "\(end.errors)")
                #expect(end.output.split(separator: "\n").count == 1)
                for line in end.errors.split(separator: "\n") {
                    #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) is [String: Any], "\(line)")
                }
            }
        }
    }

    @Test func `a log that can't be written ends nothing`() async throws {
        try await TestDatabase.withStore { test, _ in
            let serve = try Program(
                "/bin/sh", ["-c", "exec \"$0\" serve --role http --port 0 2>/dev/full", Program.reelway],
                environment: ["DATABASE_URL": test.address, "LOG_LEVEL": "trace"])
            let port = try await serve.port()
            let answer = try await HTTPConnection.with(port: port) { try await $0.request("GET", "/readyz") }
            #expect(answer.status == 200)
            serve.signal(SIGTERM)
            let end = try await serve.end(within: 15)
            #expect(end.status == 0)
        }
    }

    @Test func `a log whose reader has gone ends nothing, nor does a terminal whose end it was told to ignore`()
        async throws
    {
        try await TestDatabase.withStore { test, _ in
            let serve = try Program(
                "/bin/bash",
                [
                    "-c",
                    "exec 2> >(exit); wait $!; trap '' HUP; exec env --default-signal=PIPE \"$0\" serve --role http --port 0",
                    Program.reelway,
                ], environment: ["DATABASE_URL": test.address, "LOG_LEVEL": "trace"])
            let port = try await serve.port()
            serve.signal(SIGHUP)
            let answer = try await HTTPConnection.with(port: port) { try await $0.request("GET", "/readyz") }
            #expect(answer.status == 200)
            serve.signal(SIGTERM)
            let end = try await serve.end(within: 15)
            #expect(end.status == 0)
        }
    }

    @Test func `a process ends without the exit handlers of libraries that its threads may be inside of`() async throws
    {
        try await TestDatabase.withStore { test, _ in
            let serve = try Program(
                Program.reelway, ["serve", "--role", "http", "--port", "0"],
                environment: ["DATABASE_URL": test.address, "LD_DEBUG": "files"])
            _ = try await serve.port()
            serve.signal(SIGTERM)
            let end = try await serve.end(within: 15)
            #expect(end.status == 0)
            #expect(end.errors.contains(/calling init: .*libcrypto/))
            #expect(!end.errors.contains(/calling fini: .*libcrypto/))
        }
    }

    @Test func `serve refuses a database that isn't migrated, an address that is taken, and strangers without a token`()
        async throws
    {
        try await TestDatabase.with { test in
            @Sendable func serve(_ environment: [String: String]) async throws -> Program.Result {
                try await Program.run(
                    Program.reelway, ["serve", "--role", "http"],
                    environment: ["DATABASE_URL": test.address, "PORT": "0"].merging(environment) { $1 })
            }
            let early = try await serve([:])
            #expect(early.status == 69)
            #expect(early.errors.contains("reelway migrate"))
            _ = try await Schema.migrate(test.database, standalone: true)
            let open = try await serve(["REELWAY_HOST": "0.0.0.0"])
            #expect(open.status == 64)
            #expect(open.errors.contains("REELWAY_API_TOKEN"))
            try await LiveService.with(on: test) { service in
                let taken = try await serve(["PORT": String(service.port)])
                #expect(taken.status == 64)
                #expect(taken.errors.contains("another REELWAY_HOST or PORT"))
            }
            let nowhere = try await serve(["REELWAY_HOST": "192.0.2.1", "REELWAY_API_TOKEN": "0123456789abcdef"])
            #expect(nowhere.status == 64)
            for result in [early, open, nowhere] {
                let said = result.errors.split(separator: "\n").filter { $0.hasPrefix("reelway: ") }
                #expect(said.count == 1, "\(result.errors)")
            }
        }
    }

    @Test func `serve keeps no videos at an address whose port nobody knows`() async throws {
        try await TestDatabase.with { test in
            let folder = try TestFolder()
            func serve(_ more: String..., publicURL: String = "") async throws -> Program.Result {
                try await Program.run(
                    Program.reelway, ["serve", "--port", "0"] + more,
                    environment: [
                        "DATABASE_URL": test.address, "STORAGE_DIR": folder.path, "STORAGE_PUBLIC_URL": publicURL,
                    ])
            }
            for result in [try await serve(), try await serve("--role", "worker")] {
                #expect(result.status == 64)
                #expect(
                    result.errors.contains("PORT: ") && result.errors.contains("STORAGE_PUBLIC_URL"), "\(result.errors)"
                )
            }
            // Where the address is told, and where no videos are made, only the tables are missing.
            for result in [
                try await serve(publicURL: "https://shop.example/media"), try await serve("--role", "http"),
            ] {
                #expect(result.status == 69, "\(result.errors)")
            }
        }
    }

    @Test func `nothing that is said holds a secret`() async throws {
        try await TestDatabase.withStore { test, _ in
            // The database's password is planted by Tests/services/postgres.sh.
            let secrets = [
                "REELWAY_API_TOKEN": "planted-token-0123456789", "ONEDRIVE_CLIENT_SECRET": "planted-client-secret",
                "ONEDRIVE_REFRESH_TOKEN": "planted-refresh-token", "S3_SECRET_ACCESS_KEY": "planted-s3-secret",
                "SUPABASE_SERVICE_ROLE_KEY": "planted-service-key", "SUPABASE_ANON_KEY": "planted-anon-key",
            ]
            let folder = try TestFolder()
            var environment = secrets.merging([
                "DATABASE_URL": test.address, "LOG_LEVEL": "trace", "ONEDRIVE_CLIENT_ID": "client",
                "S3_ACCESS_KEY_ID": "id", "S3_ENDPOINT": "http://127.0.0.1:1", "SUPABASE_URL": "http://127.0.0.1:1",
                "ONEDRIVE_GRAPH_URL": "http://127.0.0.1:1", "ONEDRIVE_LOGIN_URL": "http://127.0.0.1:1",
                "STORAGE_DIR": folder.path, "REELWAY_CORS_ORIGINS": "https://shop.example",
            ]) { $1 }
            let serve = try Program(
                Program.reelway, ["serve", "--role", "http", "--port", "0"], environment: environment)
            let port = try await serve.port()
            let id = try await test.insertVideo()
            var said: [String] = []
            for endpoint in (try await described(port, secrets["REELWAY_API_TOKEN"] ?? "")) {
                let path = endpoint.path.replacing("{id}", with: id).replacing("{videoId}/{name}", with: "v/n.mp4")
                for token in [secrets["REELWAY_API_TOKEN"] ?? "", "planted-wrong-token"] {
                    let answer = try await HTTPConnection.with(port: port) { connection in
                        if path.hasSuffix("/events") { return try await connection.request("HEAD", path) }
                        return try await connection.request(
                            endpoint.method, path + "?planted-query=1",
                            headers: [
                                "authorization": "Bearer \(token)", "cookie": "planted-cookie",
                                "origin": "https://shop.example",
                            ], body: "{\"videoId\":\"\(id)\",\"x\":\"planted-body")
                    }
                    said.append("\(answer.headers) \(answer.text)")
                }
            }
            serve.signal(SIGTERM)
            let end = try await serve.end()
            said += [end.output, end.errors]
            environment["PORT"] = "x"
            for arguments in [
                ["serve"], ["doctor"], ["migrate"], ["status", id], ["retry", id], ["cancel", id], ["backfill"],
            ] {
                for faulty in [true, false] {
                    environment["PORT"] = faulty ? "x" : "0"
                    if arguments == ["serve"], !faulty { continue }
                    let result = try await Program.run(Program.reelway, arguments, environment: environment)
                    said += [result.output, result.errors]
                }
            }
            let all = said.joined(separator: "\n")
            #expect(all.utf8.count > 10_000)
            for secret in Array(secrets.values) + [
                "planted-secret/password", "planted-secret%2Fpassword", "planted-wrong-token", "planted-cookie",
                "planted-body", "planted-query",
            ] {
                #expect(!all.contains(secret), "\(secret) was said")
            }
        }
    }

    private func described(_ port: Int, _ token: String) async throws -> [(method: String, path: String)] {
        let answer = try await HTTPConnection.with(port: port) { connection in
            try await connection.request("GET", "/openapi.json", headers: ["authorization": "Bearer \(token)"])
        }
        let paths = try #require(answer.json["paths"] as? [String: [String: Any]])
        return paths.flatMap { path, methods in methods.keys.map { (method: $0.uppercased(), path: path) } }
    }
}
