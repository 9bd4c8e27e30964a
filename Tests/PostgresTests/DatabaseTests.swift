import Foundation
import Testing

@testable import Postgres

/// Statements and transactions on a real server, straight and through a transaction pooler.
@Suite(.enabled(if: TestServer.isThere))
struct DatabaseTests {
    static let ways = [TestServer.shared, TestServer.pooler]

    @Test(arguments: ways)
    func `values come back as they were sent`(address: String) async throws {
        let database = try Database(address)
        let id = UUID()
        let text = #"it's "quoted" \ {braces}, ünïcödé 🎬 and $1; drop table x"#
        let answer = try await database.query(
            """
            select $1::text as text, $2::bigint as int, $3::float8 as double, $4::bool as bool, $5::uuid as uuid,
                $6::text as nothing, $7::jsonb as json, ($8::text[])[2] as element, $9::float8 as infinite, '' as empty
            """,
            text, Int64.min, 0.1, true, id, nil, #"{"a": 1}"#, ["x", text], -Double.infinity)
        let row = try #require(answer.rows.first)
        #expect(answer.count == 1 && answer.rows.count == 1)
        #expect(row["text"] == text && row["element"] == text && row["empty"] == "")
        #expect(try row.decode(Int64.self, "int") == .min)
        #expect(try row.decode(Double.self, "double") == 0.1)
        #expect(try row.decode(Double.self, "infinite") == -.infinity)
        #expect(try row.decode(Bool.self, "bool"))
        #expect(try row.decode(UUID.self, "uuid") == id)
        #expect(row["nothing"] == nil)
        #expect(try row.decodeIfPresent(String.self, "nothing") == nil)
        #expect(try row.decode(String.self, "json") == #"{"a": 1}"#)
        await database.shutdown()
    }

    @Test func `a column that is absent, null or something else is an error that names it and not its content`()
        async throws
    {
        let database = try Database(TestServer.shared)
        let answer = try await database.query(
            "select 'my secret' as word, null as nothing, 99999999999999999999 as large")
        let row = try #require(answer.rows.first)
        for (column, body) in [
            ("word", { _ = try row.decode(Int.self, "word") }), ("word", { _ = try row.decode(UUID.self, "word") }),
            ("word", { _ = try row.decode(Bool.self, "word") }),
            ("nothing", { _ = try row.decode(String.self, "nothing") }),
            ("large", { _ = try row.decode(Int64.self, "large") }),
            ("absent", { _ = try row.decode(String.self, "absent") }),
            ("absent", { _ = try row.decodeIfPresent(String.self, "absent") }),
        ] as [(String, () throws -> Void)] {
            let error = #expect(throws: PostgresError.self) { try body() }
            #expect(error?.kind == .unexpected)
            #expect(error?.description.contains(column) == true && error?.description.contains("my secret") == false)
        }
        #expect(row["absent"] == nil)
        await database.shutdown()
    }

    @Test func `a zero byte is refused, not cut off`() async throws {
        let database = try Database(TestServer.shared)
        let error = await failure { try await database.query("select $1::text", "abc\0def") }
        #expect(error?.kind == .unexpected)
        #expect(try await database.query("select 1 as one").rows.first?["one"] == "1")
        await database.shutdown()
    }

    @Test(arguments: ways)
    func `a refused statement leaves the connection good and its values unsaid`(address: String) async throws {
        let database = try Database(address, connections: 1)
        let value = await failure { try await database.query("select $1::uuid", "my secret") }
        #expect(value?.kind == .rejected(sqlState: "22P02"))
        #expect(value?.description.contains("my secret") == false)
        let table = await failure { try await database.query("select * from no_such_table") }
        #expect(table?.kind == .rejected(sqlState: "42P01"))
        #expect(table?.description.contains("no_such_table") == true)
        let copy = await failure { try await database.query("copy (select 1) to stdout") }
        #expect(copy?.kind == .unexpected)
        #expect(try await database.query("select 1 as one").rows.first?["one"] == "1")
        await database.shutdown()
    }

    @Test(arguments: ways)
    func `a statement that takes too long is stopped on the server, too`(address: String) async throws {
        let database = try Database(address, connections: 1)
        let mark = "mark-\(UInt64.random(in: 0 ..< .max))"
        let start = ContinuousClock.now
        let error = await failure {
            try await database.query("select pg_sleep(30) /* \(mark) */", timeout: .milliseconds(300))
        }
        #expect(error?.kind == .unavailable)
        #expect(.now - start < .seconds(8))
        try await Self.expectGone(mark, database)
        await database.shutdown()
    }

    @Test(arguments: ways)
    func `a cancelled task stops its statement on the server, too`(address: String) async throws {
        let database = try Database(address, connections: 1)
        let mark = "mark-\(UInt64.random(in: 0 ..< .max))"
        let task = Task { try await database.query("select pg_sleep(30) /* \(mark) */", timeout: .seconds(60)) }
        try await Task.sleep(for: .milliseconds(300))
        let start = ContinuousClock.now
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(.now - start < .seconds(8))
        try await Self.expectGone(mark, database)
        // One that was cancelled before it began never reaches the server.
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await database.query("select 1")
        }
        await #expect(throws: CancellationError.self) { try await early.value }
        await database.shutdown()
    }

    private static func expectGone(_ mark: String, _ database: Database) async throws {
        for _ in 0..<50 {
            let running = try await database.query(
                "select 1 from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()",
                "%pg\\_sleep%\(mark)%")
            if running.count == 0 { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("the statement still runs")
    }

    @Test(arguments: ways)
    func `a transaction takes effect as a whole or not at all`(address: String) async throws {
        let database = try Database(address)
        let table = "t\(UInt64.random(in: 0 ..< .max))"
        try await database.query("create table \(table) (n int primary key)")
        let count = try await database.transaction { transaction in
            try await transaction.query("insert into \(table) values ($1)", 1)
            try await transaction.run(script: "insert into \(table) values (2); insert into \(table) values (3)")
            return try await transaction.query("select * from \(table)").count
        }
        #expect(count == 3)
        struct Change: Error {}
        await #expect(throws: Change.self) {
            try await database.transaction { transaction in
                try await transaction.query("delete from \(table)")
                throw Change()
            }
        }
        let swallowed = await failure {
            try await database.transaction { transaction in
                try await transaction.query("delete from \(table)")
                _ = try? await transaction.query("insert into \(table) values ('x')")
            }
        }
        #expect(swallowed?.kind == .unexpected)
        let slow = await failure {
            try await database.transaction(timeout: .milliseconds(300)) { transaction in
                try await transaction.query("delete from \(table)")
                try await transaction.query("select pg_sleep(10)")
            }
        }
        #expect(slow?.kind == .unavailable)
        #expect(try await database.query("select * from \(table)").count == 3)
        try await database.query("drop table \(table)")
        await database.shutdown()
    }

    @Test func `many statements share few connections and none waits for ever`() async throws {
        let database = try Database(TestServer.shared, connections: 3)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<300 {
                group.addTask { try await database.query("select $1::int as n", number).rows[0].decode(Int.self, "n") }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 299 * 300 / 2)
        let used = try await database.query(
            "select count(*) as n from pg_stat_activity where application_name = 'reelway' and datname = 'postgres'")
        #expect(try used.rows[0].decode(Int.self, "n") >= 1)
        let sleepers = (0..<3).map { _ in Task { try await database.query("select pg_sleep(2)") } }
        try await Task.sleep(for: .milliseconds(200))
        let start = ContinuousClock.now
        let busy = await failure { try await database.query("select 1", timeout: .milliseconds(200)) }
        #expect(busy?.kind == .unavailable && .now - start < .milliseconds(1800))
        let impatient = Task { try await database.query("select 1") }
        try await Task.sleep(for: .milliseconds(50))
        impatient.cancel()
        await #expect(throws: CancellationError.self) { try await impatient.value }
        for sleeper in sleepers { _ = try await sleeper.value }
        #expect(try await database.query("select 1 as one").rows.first?["one"] == "1")
        await database.shutdown()
        #expect(await failure { try await database.query("select 1") }?.kind == .unavailable)
    }

    @Test(arguments: ways)
    func `a wrong password or database is refused at once and the password not said`(address: String) async throws {
        let wrong = try Database(
            address.replacing("planted-secret%2Fpassword", with: "planted-secret-wrong"), timeout: .seconds(6))
        let start = ContinuousClock.now
        let error = try #require(await failure { try await wrong.query("select 1") })
        #expect(error.kind == .rejected(sqlState: "28P01") || address == TestServer.pooler, "\(error)")
        #expect(!error.description.contains("planted-secret"))
        #expect(.now - start < .seconds(5) || address == TestServer.pooler)
        let missing = try Database(address.replacing(/\/postgres$/, with: "/no_such_database"), timeout: .seconds(3))
        let absent = try #require(await failure { try await missing.query("select 1") })
        #expect(!absent.description.contains("planted-secret"))
        #expect(address == TestServer.pooler || absent.kind == .rejected(sqlState: "3D000"))
        await wrong.shutdown()
        await missing.shutdown()
    }

    @Test func `a server that isn't there is unavailable by the deadline`() async throws {
        let database = try Database("postgres://u:planted-secret@127.0.0.1:1/x", timeout: .milliseconds(400))
        let start = ContinuousClock.now
        let error = try #require(await failure { try await database.query("select 1") })
        #expect(error.kind == .unavailable && error.description.contains("Connection refused"))
        #expect(!error.description.contains("planted-secret"))
        #expect(.now - start >= .milliseconds(350) && .now - start < .seconds(8))
        await database.shutdown()
    }

    @Test func `a large answer and a large parameter pass`() async throws {
        let database = try Database(TestServer.shared)
        let text = String(repeating: "ä🎬x", count: 1_500_000)
        let answer = try await database.query("select $1::text as t, n from generate_series(1, 3) n", text)
        #expect(answer.rows.allSatisfy { $0["t"] == text })
        await database.shutdown()
    }
}
