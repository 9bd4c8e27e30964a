import Foundation
import Postgres

@testable import reelway

/// A PostgreSQL server of one test's own, to be stopped and started.
struct OwnServer: Sendable {
    let address: String
    private let name: String

    /// Makes a server with a migrated database, runs the test and removes the server.
    static func with(_ body: @Sendable (OwnServer, TestDatabase) async throws -> Void) async throws {
        let name = "s_\(UUID().uuidString.prefix(8).lowercased())"
        let address = try await control("new", name).split(separator: "\n").last.map(String.init) ?? ""
        let test = TestDatabase(address: address, database: Database(try Configuration(address: address)))
        _ = try await Schema.migrate(test.database, standalone: true)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(OwnServer(address: address, name: name), test))
        } catch {
            result = .failure(error)
        }
        await test.database.shutdown()
        _ = try await control("remove", name)
        try result.get()
    }

    func stop() async throws { _ = try await Self.control("stop", name) }
    func start() async throws { _ = try await Self.control("start", name) }

    private static func control(_ verb: String, _ name: String) async throws -> String {
        let script = ProcessInfo.processInfo.environment["REELWAY_TEST_POSTGRES_SERVER"] ?? ""
        let run = try await Program.run(script, [verb, name], environment: [:])
        guard run.status == 0 else { throw Program.Fault(description: "postgres-server \(verb): \(run.errors)") }
        return run.output
    }
}
