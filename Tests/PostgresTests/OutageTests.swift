import Foundation
import Glibc
import Testing

@testable import Postgres

/// A server that goes away.
@Suite(.enabled(if: TestServer.isThere))
struct OutageTests {
    @Test func `a server that was stopped and started again is used again`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address, connections: 2, timeout: .seconds(20))
            try await database.query("create table kept (n int)")
            try await server.stop()
            let short = await failure { try await database.query("select 1", timeout: .milliseconds(300)) }
            #expect(short?.kind == .unavailable)
            // Asked while the server is away, answered when it is back.
            let patient = Task { try await database.query("insert into kept values (1)").count }
            try await Task.sleep(for: .milliseconds(300))
            try await server.start()
            #expect(try await patient.value == 1)
            #expect(try await database.query("select * from kept").count == 1)
            await database.shutdown()
        }
    }

    @Test func `a statement under way when the server crashes is reported, and never repeated`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address, connections: 1, timeout: .seconds(20))
            try await database.query("create table kept (n int)")
            let running = Task {
                await failure { try await database.query("insert into kept select 1 from pg_sleep(30)") }
            }
            try await Task.sleep(for: .milliseconds(300))
            try await server.kill()
            #expect(await running.value?.kind == .unavailable)
            try await server.start()
            #expect(try await database.query("select * from kept").count == 0)
            await database.shutdown()
        }
    }

    @Test func `a transaction that loses its server is undone`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address, connections: 1, timeout: .seconds(20))
            try await database.query("create table kept (n int)")
            let error = await failure {
                try await database.transaction { transaction in
                    try await transaction.query("insert into kept values (1)")
                    try await server.kill()
                    try await server.start()
                    try await transaction.query("insert into kept values (2)")
                }
            }
            #expect(error?.kind == .unavailable)
            #expect(try await database.query("select * from kept").count == 0)
            await database.shutdown()
        }
    }

    @Test func `a session of a server that took no writes isn't used again`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address, connections: 1)
            let host = try Database(server.address, connections: 1)
            try await database.query("create table kept (n int)")
            // As a host does whose disk is full, and as a standby is that is promoted: it stays so for sessions that are
            // there, also when it is over.
            try await host.query("alter database postgres set default_transaction_read_only = on")
            try await host.query(
                """
                select pg_terminate_backend(pid, 5000) from pg_stat_activity
                where datname is not null and pid <> pg_backend_pid()
                """)
            let refused = await failure { try await database.query("insert into kept values (1)") }
            #expect(refused?.kind == .unavailable)
            try await host.query("alter database postgres set default_transaction_read_only = off")
            #expect(try await database.query("insert into kept values (1)").count == 1)
            await host.shutdown()
            await database.shutdown()
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a pooler that has no connection to lend is asked again, also for notifications`() async throws {
        let server = try RefusingServer(sqlState: "XX000", "(EMAXCLIENTSESSION) max clients reached")
        let database = try Database(
            server.address, timeout: .milliseconds(500), connectTimeout: .milliseconds(500))
        let error = await failure { try await database.query("select 1") }
        #expect(error?.kind == .unavailable && error?.description.contains("EMAXCLIENTSESSION") == true)
        var events = database.listen(to: ["news"]).makeAsyncIterator()
        guard case .unavailable? = await events.next() else {
            Issue.record("listening has ended")
            return
        }
        let answers = server.answers
        while server.answers < answers + 2 { try await Task.sleep(for: .milliseconds(20)) }
        await database.shutdown()
        withExtendedLifetime(server) {}
    }

    @Test func `a server that hangs keeps nobody beyond the deadline`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address, connections: 1, connectTimeout: .milliseconds(500))
            let backend = try await database.query("select pg_backend_pid() as pid").rows[0].decode(Int.self, "pid")
            let postmaster = try server.process()
            Glibc.kill(Int32(backend), SIGSTOP)
            Glibc.kill(postmaster, SIGSTOP)
            let start = ContinuousClock.now
            let error = await failure { try await database.query("select 1", timeout: .milliseconds(500)) }
            #expect(error?.kind == .unavailable)
            #expect(.now - start < .seconds(8))
            // Nor whoever connects anew.
            let again = await failure { try await database.query("select 1", timeout: .seconds(1)) }
            #expect(again?.kind == .unavailable)
            #expect(.now - start < .seconds(15))
            Glibc.kill(postmaster, SIGCONT)
            Glibc.kill(Int32(backend), SIGCONT)
            #expect(try await database.query("select 1 as one").rows.first?["one"] == "1")
            await database.shutdown()
        }
    }
}
