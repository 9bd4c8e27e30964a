import Foundation
import Postgres
import Testing

@testable import reelway

@Suite(.enabled(if: TestDatabase.isThere))
struct OwnershipTests {
    /// As while a password is being changed.
    @Test func `What has been made is kept while the database lets nobody in`() async throws {
        try await TestDatabase.withStore { test, store in
            _ = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "this", lease: 60))
            let role = "worker_\(UInt32.random(in: 0 ..< .max))"
            try await test.database.query("create role \(role) superuser nologin password 'word'")
            let address = test.address.replacing(/\/\/.*@/, with: "//\(role):word@")
            let refused = Database(try Configuration(address: address))
            let ownership = Ownership(
                job: job, store: JobStore(refused), leaseSeconds: 60, watch: JobWatch())
            let confirmed = Task { try await JobThread.run(named: "confirm") { try ownership.confirm() } }
            try await Task.sleep(for: .seconds(1))
            try await test.database.query("alter role \(role) login")
            await #expect(throws: Never.self) { try await confirmed.value }
            await refused.shutdown()
            try await test.database.query("drop role \(role)")
        }
    }
}
