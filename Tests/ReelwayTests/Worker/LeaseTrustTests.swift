import Foundation
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

/// What looks like a database that is away and isn't: a lease that ran out is believed all the same.
@Suite(.enabled(if: Shop.isThere), .serialized)
struct LeaseTrustTests {
    @Test func `A worker that is let in but not to listen takes over what a dead one left all the same`() async throws {
        try await Shop.with { shop in
            let id = try await Self.leave(in: shop)
            try await shop.test.expireLease(id)
            let role = "worker_\(UInt32.random(in: 0 ..< .max))"
            let owner = try await shop.test.database.query("select current_user as name").rows.first?["name"] ?? ""
            try await shop.test.database.query(
                "create role \(role) login password 'word' connection limit 1 in role \(owner)")
            var limited = try Configuration(
                address: shop.test.address.replacing(/\/\/.*@/, with: "//\(role):word@"))
            limited.connections = 1
            let database = Database(limited)
            // Takes the only connection.
            try await database.query("select 1")
            let worker = try Bench(shop, on: database).worker()
            let running = Task { try await worker.run() }
            try await shop.ready(id)
            running.cancel()
            try await running.value
            await database.shutdown()
            try await shop.test.database.query("drop role \(role)")
        }
    }

    @Test func `A worker whose listening is cut again and again takes over what a dead one left`() async throws {
        try await Shop.with { shop in
            let id = try await Self.leave(in: shop)
            try await shop.test.expireLease(id)
            let worker = try shop.worker()
            let cutting = Task {
                while !Task.isCancelled {
                    try await shop.test.database.query(
                        """
                        select pg_terminate_backend(pid) from pg_stat_activity
                            where query like 'listen%' and datname = current_database()
                        """)
                    try await Task.sleep(for: .seconds(1))
                }
            }
            try await shop.ready(id)
            cutting.cancel()
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
        }
    }

    @Test func `A row that someone keeps locked doesn't keep its worker from taking over others`() async throws {
        try await Shop.with(["REELWAY_CONCURRENCY": "2", "REELWAY_POLL_SECONDS": "4"]) { shop in
            let id = try await Self.leave(in: shop)
            try await Stage.uploading.hold(shop) { held in
                let lock = try await RowLock.take(held.id, shop.test.database)
                try await held.worker.says("the row can't be reached")
                try await shop.test.expireLease(id)
                try await shop.ready(id)
                try await lock.release()
                try await held.release()
                try await shop.ready(held.id)
                held.worker.signal(SIGTERM)
                #expect(try await held.worker.end(within: 20).status == 0)
            }
        }
    }

    /// A video that a worker had when it died.
    private static func leave(in shop: Shop) async throws -> String {
        let id = try await shop.insert(Clips.small)
        _ = try #require(try await JobStore(shop.test.database).claim(owner: "dead", lease: 600))
        return id
    }
}
