import Foundation
import Postgres

@testable import reelway

/// A database of one test's own on the server of Tests/services/postgres.sh.
struct TestDatabase: Sendable {
    /// Whether there is a server.
    static let isThere = ProcessInfo.processInfo.environment["REELWAY_TEST_DATABASE_URL"] != nil
    /// Whether there is a transaction pooler before it.
    static let hasPooler = ProcessInfo.processInfo.environment["REELWAY_TEST_POOLER_URL"] != nil

    /// How the test reaches it.
    enum Way: Sendable, CaseIterable {
        case direct, pooled

        var server: String {
            ProcessInfo.processInfo.environment[
                self == .direct ? "REELWAY_TEST_DATABASE_URL" : "REELWAY_TEST_POOLER_URL"] ?? ""
        }
    }

    /// Its address, for programs.
    let address: String
    /// For what a test does as the application.
    let database: Database

    /// Makes a database, runs the test and drops the database.
    static func with<Value: Sendable>(
        _ way: Way = .direct, connections: Int = 4, _ body: (TestDatabase) async throws -> Value
    ) async throws -> Value {
        let name = "t_\(UUID().uuidString.lowercased().replacing("-", with: ""))"
        let server = Database(try Configuration(address: Way.direct.server))
        try await server.query("create database \(name) template template0", timeout: .seconds(60))
        let address = way.server.replacing(/\/postgres$/, with: "/\(name)")
        var configuration = try Configuration(address: address)
        configuration.connections = connections
        let test = TestDatabase(address: address, database: Database(configuration))
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(test))
        } catch {
            result = .failure(error)
        }
        await test.database.shutdown()
        try await server.query("drop database \(name) with (force)", timeout: .seconds(60))
        await server.shutdown()
        return try result.get()
    }

    /// Makes a migrated database with the standalone table.
    static func withStore<Value: Sendable>(
        _ way: Way = .direct, policy: AttemptPolicy = AttemptPolicy(), connections: Int = 4,
        _ body: (TestDatabase, JobStore) async throws -> Value
    ) async throws -> Value {
        try await with(way, connections: connections) { test in
            _ = try await Schema.migrate(test.database, standalone: true)
            return try await body(test, JobStore(test.database, policy: policy))
        }
    }

    /// Inserts a video as the application does, and returns its id.
    func insertVideo(_ fileID: String? = "item", product: String = "product", name: String? = nil) async throws
        -> String
    {
        let answer = try await database.query(
            "insert into product_videos (product_id, onedrive_file_id, filename) values ($1, $2, $3) returning id::text as id",
            product, fileID, name)
        return answer.rows.first?["id"] ?? ""
    }

    /// A row's fields as text, by name.
    func row(_ id: String) async throws -> Row? {
        try await database.query("select * from product_videos where id::text = $1", id).rows.first
    }

    /// Lets a worker's lease run out.
    func expireLease(_ id: String) async throws {
        try await database.query(
            "update product_videos set social_ready_lease_until = now() - interval '1 s' where id::text = $1", id)
    }

    /// Lets the time pass between the two removals of what is left.
    func passRemovals() async throws {
        try await database.query("update reelway_objects set removed_at = removed_at - interval '1 minute'")
    }
}
