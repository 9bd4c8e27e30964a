import Postgres

/// The tables, as the numbered files of Migrations/ make them.
///
/// All that is missing is applied in one transaction, behind a lock that ends with it: twice, side by side and past a
/// transaction pooler it comes to the same.
struct Schema {
    /// One step.
    struct Migration: Sendable, Equatable {
        /// As its file is called, the number first.
        let name: String
        /// The statements.
        let sql: String
    }

    /// The steps, in order. One that was released is never changed: another is added.
    static let migrations = [
        Migration(name: "0001_columns", sql: text(PackageResources._001_columns_sql)),
        Migration(name: "0002_queue", sql: text(PackageResources._002_queue_sql)),
        Migration(name: "0003_triggers", sql: text(PackageResources._003_triggers_sql)),
        Migration(name: "0004_tables", sql: text(PackageResources._004_tables_sql)),
        Migration(name: "0005_removals", sql: text(PackageResources._005_removals_sql)),
        Migration(name: "0006_nulls", sql: text(PackageResources._006_nulls_sql)),
        Migration(name: "0007_leftovers", sql: text(PackageResources._007_leftovers_sql)),
    ]

    /// The application's table, for where there is no application. Does nothing where the table is.
    static let standalone = Migration(name: "standalone", sql: text(PackageResources.standalone_sql))

    /// The steps that are missing.
    ///
    /// - Throws: `PostgresError`.
    static func missing(in database: Database) async throws -> [Migration] {
        guard try await exists("reelway_migrations", { try await database.query($0, $1) }) else { return migrations }
        let names = try await database.query("select name from reelway_migrations").rows.map { $0["name"] }
        return migrations.filter { !names.contains($0.name) }
    }

    /// Makes sure that the database may be written: it may be a standby, or protect a full disk.
    ///
    /// - Throws: `PostgresError`.
    static func checkWritable(_ database: Database) async throws {
        // A write, which ends a session that takes none, also where all others have come to take them again.
        try await database.query("update reelway_objects set finished = finished where false")
    }

    /// Applies what is missing and returns it.
    ///
    /// - Parameters:
    ///   - standalone: makes product_videos, too, where it is absent.
    ///   - dryRun: applies nothing, and returns what would be applied.
    /// - Throws: `PostgresError`; nothing is applied then.
    static func migrate(_ database: Database, standalone: Bool, dryRun: Bool = false) async throws -> [Migration] {
        if dryRun {
            let hasVideos = try await exists("product_videos", { try await database.query($0, $1) })
            guard hasVideos || standalone else { throw noVideos }
            if hasVideos { try await checkVideos { try await database.query($0) } }
            return (hasVideos ? [] : [Self.standalone]) + (try await missing(in: database))
        }
        var refusals = 0
        while true {
            do {
                return try await apply(to: database, standalone: standalone)
            } catch let error as PostgresError where error.kind == .unavailable && refusals < 4 {
                // Most likely the application held the table for longer than the lock's patience.
                refusals += 1
                try await Task.sleep(for: .seconds(refusals))
            } catch let error as PostgresError where error.kind == .rejected(sqlState: "0A000") {
                throw unfit(
                    "a column of product_videos can't become what Reelway needs (\(error.message)); drop the view or rule "
                        + "that uses it, run reelway migrate, and make it again")
            }
        }
    }

    private static func apply(to database: Database, standalone: Bool) async throws -> [Migration] {
        try await database.transaction(timeout: .seconds(300)) { transaction in
            // Any number serves that nothing else in the database uses.
            try await transaction.query("select pg_advisory_xact_lock(7205770571)")
            // The table's readers would have to wait behind a lock that waits.
            try await transaction.query("set local lock_timeout = '5s'")
            try await transaction.query("set local statement_timeout = 0")
            try await transaction.query("set local client_min_messages = warning")
            var applied: [Migration] = []
            if !(try await exists("product_videos", { try await transaction.query($0, $1) })) {
                guard standalone else { throw noVideos }
                try await transaction.run(script: Self.standalone.sql)
                applied.append(Self.standalone)
            }
            try await checkVideos { try await transaction.query($0) }
            try await transaction.query(
                """
                create table if not exists reelway_migrations (
                    name text primary key,
                    applied_at timestamptz not null default now()
                )
                """)
            let names = try await transaction.query("select name from reelway_migrations").rows.map { $0["name"] }
            for migration in migrations where !names.contains(migration.name) {
                try await transaction.run(script: migration.sql)
                try await transaction.query("insert into reelway_migrations (name) values ($1)", migration.name)
                applied.append(migration)
            }
            return applied
        }
    }

    private static func exists(
        _ table: String, _ query: (_ sql: String, _ name: String) async throws -> QueryResult
    ) async throws -> Bool {
        try await query("select to_regclass($1) is not null as is_there", table).rows.first?["is_there"] == "t"
    }

    /// Throws where what the application calls `product_videos` can't have Reelway's columns, or hasn't its own.
    private static func checkVideos(_ query: (_ sql: String) async throws -> QueryResult) async throws {
        let found = try await query(
            """
            select relkind in ('r', 'p') as is_table, (
                select count(*) from pg_attribute
                where attrelid = c.oid and attname in ('id', 'onedrive_file_id') and not attisdropped) = 2 as is_whole
            from pg_class c where c.oid = to_regclass('product_videos')
            """
        ).rows.first
        guard found?["is_table"] == "t" else {
            throw unfit("product_videos is no table; give Reelway the table itself (search_path)")
        }
        guard found?["is_whole"] == "t" else {
            throw unfit("the table product_videos lacks id or onedrive_file_id; migrate the application first")
        }
    }

    private static func unfit(_ message: String) -> PostgresError {
        PostgresError(.rejected(sqlState: "42P01"), message)
    }

    private static let noVideos = unfit(
        "the database has no table product_videos where Reelway looks (search_path); migrate the application first, or give"
            + " reelway migrate --standalone")

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
