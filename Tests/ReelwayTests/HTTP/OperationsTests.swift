import Foundation
import Logging
import Postgres
import Testing

@testable import reelway

extension HTTPTests {
    struct OperationsTests {
        @Test func `ready means migrated, prepared and not stopping`() async throws {
            try await LiveService.with { service in
                #expect(try await service.request("GET", "/readyz").status == 200)
                service.readiness.storageChanged(Failure(.storageAuth, "the key of store.internal is refused"))
                let unprepared = try await service.request("GET", "/readyz")
                #expect(unprepared.status == 503)
                #expect(unprepared.errorCode == "storage_auth")
                // Anyone may ask, so the reason is for the log.
                #expect(!unprepared.text.contains("store.internal"))
                #expect(service.log.text.contains("storage_auth: the key of store.internal is refused"))
                #expect(!service.log.text.contains("please report it"), "\(service.log.text)")
                #expect(unprepared.headers["retry-after"] != nil)
                service.readiness.storageChanged(nil)
                try await service.test.database.query("delete from reelway_migrations where name like '0003%'")
                let behind = try await service.request("GET", "/readyz")
                #expect(behind.status == 503)
                #expect(behind.text.contains("reelway migrate"))
                #expect(try await service.request("GET", "/healthz").status == 200)
            }
        }

        @Test func `a database that takes no writes makes it unready`() async throws {
            try await LiveService.with { service in
                #expect(try await service.request("GET", "/readyz").status == 200)
                try await service.setReadOnly(true)
                let refused = try await service.request("GET", "/readyz")
                #expect(refused.status == 503)
                #expect(refused.errorCode == "database_unavailable")
                #expect(service.log.text.contains("read-only"))
                try await service.setReadOnly(false)
                #expect(try await service.request("GET", "/readyz").status == 200)
            }
        }

        @Test func `however many ask whether it is ready, others are served`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let lock = Database(try Configuration(address: service.test.address))
                try await lock.transaction { transaction in
                    try await transaction.query("lock table reelway_migrations")
                    try await withThrowingTaskGroup(of: Int.self) { group in
                        for _ in 0..<20 {
                            group.addTask { try await service.request("GET", "/readyz").status }
                        }
                        try await service.until("a probe waits for the lock") {
                            try await lock.query("select from pg_locks where not granted").count > 0
                        }
                        let begun = ContinuousClock.now
                        #expect(try await service.trigger(id).status == 202)
                        #expect(.now - begun < .seconds(1.5))
                        for try await status in group { #expect(status == 503) }
                        #expect(.now - begun < .seconds(8))
                    }
                }
                await lock.shutdown()
            }
        }

        @Test func `a database that is away makes 503s, not silence, and is found again`() async throws {
            try await OwnServer.with { server, test in
                try await LiveService.with(on: test) { service in
                    let id = try await test.insertVideo()
                    try await server.stop()
                    let begun = ContinuousClock.now
                    let ready = try await service.request("GET", "/readyz")
                    #expect(ready.status == 503)
                    #expect(ready.errorCode == "database_unavailable")
                    #expect(!ready.text.contains("127.0.0.1") && service.log.text.contains("127.0.0.1"))
                    #expect(ContinuousClock.now - begun < .seconds(20))
                    #expect(try await service.request("GET", "/healthz").status == 200)
                    #expect(try await service.request("GET", "/metrics").text.contains("reelway_database_up 0"))
                    let refused = try await service.trigger(id)
                    #expect(refused.status == 503)
                    #expect(refused.errorCode == "database_unavailable")
                    #expect(!refused.text.contains("planted-secret"))
                    try await server.start()
                    #expect(try await service.trigger(id).status == 202)
                }
            }
        }

        @Test func `the metrics count what happened`() async throws {
            try await LiveService.with { service in
                let ids = [try await service.test.insertVideo(), try await service.test.insertVideo()]
                _ = try await service.claim()
                _ = try await service.trigger(ids[1])
                _ = try await service.request("GET", "/videos/\(ids[0])")
                for invented in ["/made/up/1", "/made/up/2"] { _ = try await service.request("GET", invented) }
                service.metrics.claimed()
                service.metrics.ended(.ready, code: nil, seconds: 12, bytesRead: 1000, bytesWritten: 500)
                service.metrics.claimed()
                service.metrics.ended(.failed, code: .tooShort, seconds: 1, bytesRead: 10, bytesWritten: 0)
                service.metrics.hung(1)
                let answer = try await service.request("GET", "/metrics")
                #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
                for line in [
                    "reelway_jobs{state=\"pending\"} 1", "reelway_jobs{state=\"processing\"} 1",
                    "reelway_jobs{state=\"ready\"} 0", "reelway_claims_total 2", "reelway_running 0", "reelway_hung 1",
                    "reelway_transcodes_total{code=\"\",outcome=\"ready\"} 1",
                    "reelway_transcodes_total{code=\"too_short\",outcome=\"failed\"} 1",
                    "reelway_transcode_seconds_bucket{le=\"10\"} 0", "reelway_transcode_seconds_bucket{le=\"30\"} 1",
                    "reelway_transcode_seconds_bucket{le=\"+Inf\"} 1", "reelway_transcode_seconds_count 1",
                    "reelway_source_bytes_total 1010", "reelway_stored_bytes_total 500",
                    "reelway_http_requests_total{method=\"GET\",route=\"/videos/{id}\",status=\"200\"} 1",
                    "reelway_http_requests_total{method=\"POST\",route=\"/transcode\",status=\"202\"} 1",
                    "reelway_http_requests_total{method=\"GET\",route=\"other\",status=\"404\"} 2",
                ] {
                    #expect(answer.text.contains("\n\(line)\n"), "\(line)")
                }
                // Every line is a comment or a sample, as the format has it.
                let sample = /[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eE]+/
                for line in answer.text.split(separator: "\n") where !line.hasPrefix("# ") {
                    #expect(line.wholeMatch(of: sample) != nil, "\(line)")
                }
            }
        }

        @Test func `a line of the log is one line, whatever is in it`() throws {
            func line(_ format: LogSettings.Format, _ message: String, _ facts: [String: String]) -> String {
                var settings = LogSettings.standard
                settings.format = format
                return LogLine(label: "http", settings: settings)
                    .line(
                        at: Date(timeIntervalSince1970: 1_800_000_000.125), level: .info, message: message, facts: facts
                    )
            }
            #expect(
                line(.text, "GET /\r\nfake line", ["a": "1", "b": "x \"y\"", "c": "\u{1B}[2J", "d": ""])
                    == "2027-01-15T08:00:00.125Z info http: GET /\\u{d}\\u{a}fake line a=1 b=\"x \\\"y\\\"\" c=\\u{1b}[2J d=\"\""
            )
            let json = line(.json, "hello\n", ["message": "forged", "video": "7"])
            let fields = try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
            #expect(
                fields == [
                    "time": "2027-01-15T08:00:00.125Z", "level": "info", "logger": "http", "message": "hello\n",
                    "video": "7", "data.message": "forged",
                ])
            #expect(!json.contains("\n"))
        }
    }
}

extension LiveService {
    /// Waits until something is so that only the database knows.
    fileprivate func until(_ what: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !condition() {
            try #require(ContinuousClock.now < deadline, "\(what)")
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Has the database take no writes from sessions that begin from now on, and ends those there are.
    fileprivate func setReadOnly(_ isReadOnly: Bool) async throws {
        let name = test.address.split(separator: "/").last ?? ""
        let server = Database(try Configuration(address: TestDatabase.Way.direct.server))
        let word = isReadOnly ? "on" : "off"
        try await server.query("alter database \(name) set default_transaction_read_only = \(word)")
        if isReadOnly {
            try await server.query(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1", String(name))
        }
        await server.shutdown()
    }
}

extension LogSettings {
    fileprivate static var standard: LogSettings {
        var reader = SettingsReader([:])
        return LogSettings(&reader)
    }
}
