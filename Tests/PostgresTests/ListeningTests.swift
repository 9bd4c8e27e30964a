import Foundation
import Testing

@testable import Postgres

/// Notifications from a real server.
@Suite(.enabled(if: TestServer.isThere))
struct ListeningTests {
    @Test(.timeLimit(.minutes(1)))
    func `a notification arrives, and again after the server was away`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address)
            var events = database.listen(to: ["news", "Odd \"channel"]).makeAsyncIterator()
            #expect(await events.next() == .listening)
            try await database.query("select pg_notify('news', $1)", "first")
            #expect(await events.next() == .notification(Notification(channel: "news", payload: "first")))
            try await database.query("select pg_notify('Odd \"channel', $1)", "odd")
            #expect(await events.next() == .notification(Notification(channel: "Odd \"channel", payload: "odd")))
            try await server.stop()
            var event = await events.next()
            guard case .unavailable = event else {
                Issue.record("not told that the server is away: \(String(describing: event))")
                return
            }
            try await server.start()
            while event != .listening { event = await events.next() }
            try await database.query("notify news, 'second'")
            #expect(await events.next() == .notification(Notification(channel: "news", payload: "second")))
            await database.shutdown()
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a login that is refused for a while is said once and tried until it is let in`() async throws {
        try await TestServer.with { server in
            let owner = try Database(server.address)
            try await owner.query("create role listener nologin password 'word'")
            let database = try Database(server.address.replacing(/\/\/.*@/, with: "//listener:word@"))
            var events = database.listen(to: ["news"]).makeAsyncIterator()
            guard case .unavailable(let error) = await events.next() else {
                Issue.record("not told that nobody may log in")
                return
            }
            #expect(error.kind != .unavailable)
            try await Task.sleep(for: .seconds(3))
            try await owner.query("alter role listener login")
            #expect(await events.next() == .listening)
            try await owner.query("notify news, 'first'")
            #expect(await events.next() == .notification(Notification(channel: "news", payload: "first")))
            await database.shutdown()
            await owner.shutdown()
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `past a transaction pooler it is said that nothing will come`() async throws {
        let database = try Database(TestServer.pooler)
        var events: [ListenEvent] = []
        for await event in database.listen(to: ["news"]) { events.append(event) }
        guard case .impossible(let error) = events.last, events.count == 1 else {
            Issue.record("\(events)")
            return
        }
        #expect(error.description.contains("session mode"))
        await database.shutdown()
    }

    @Test(.timeLimit(.minutes(1)))
    func `a listener that is dropped ends its connection`() async throws {
        try await TestServer.with { server in
            let database = try Database(server.address)
            let task = Task {
                for await event in database.listen(to: ["news"]) where event == .listening { return }
            }
            await task.value
            let sql = "select count(*) as n from pg_stat_activity where query like 'listen%'"
            for _ in 0..<100 where try await database.query(sql).rows[0].decode(Int.self, "n") > 0 {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await database.query(sql).rows[0].decode(Int.self, "n") == 0)
            await database.shutdown()
        }
    }
}
