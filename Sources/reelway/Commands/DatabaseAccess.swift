import Foundation
import Postgres

/// The database as the commands that only need that open it.
enum DatabaseAccess {
    /// Runs `body` with the database of the environment and closes it afterwards.
    ///
    /// - Throws: `SettingsError` where it isn't named or anything else is set wrongly; what `body` throws.
    static func run(_ body: (Settings, Database) async throws -> Void) async throws {
        let settings = try Settings(ProcessInfo.processInfo.environment, needsDatabase: true)
        let database = try settings.openDatabase()
        do {
            // Long statements have long patience, also with a database that isn't there.
            try await database.query("select 1", timeout: .seconds(5))
            try await body(settings, database)
            await database.shutdown()
        } catch {
            await database.shutdown()
            throw error
        }
    }

    /// The same with the videos in it.
    static func withJobs(_ body: (JobStore) async throws -> Void) async throws {
        try await run { settings, database in
            try await body(JobStore(database, policy: settings.worker.attemptPolicy))
        }
    }
}

extension Settings {
    /// The database that is named.
    func openDatabase(connections: Int = 2) throws -> Database {
        guard let address = database?.revealed else { throw Failure(.usage, "DATABASE_URL is not set") }
        var configuration = try Configuration(address: address)
        configuration.connections = connections
        return Database(configuration)
    }
}

extension WorkerSettings {
    var attemptPolicy: AttemptPolicy { AttemptPolicy(attempts: maximumAttempts, base: retryBaseSeconds) }
}
