import Foundation
import Logging
import Postgres
import Transfer

@testable import reelway

/// What does a shop's videos, in the test's own process, and may hang with some of them.
struct Bench: Sendable {
    let store: JobStore
    let objects: HangingStore
    let pipeline: Pipeline
    var settings: WorkerSettings
    let metrics = Metrics()
    /// All that was logged.
    let log = CapturedLog()

    /// - Parameters:
    ///   - environment: what differs from the shop's.
    ///   - database: the shop's own unless it is given; whoever gives one shuts it down.
    ///   - hangs: how many videos' threads hang once they would store something.
    init(_ shop: Shop, _ environment: [String: String] = [:], on database: Database? = nil, hangs: Int = 0) throws {
        let settings = try Settings(
            shop.environment.merging(environment) { $1 }, needsDatabase: true, keepsVideos: true)
        let remote = RemoteEnds(settings, patienceSeconds: settings.worker.stallSeconds)
        store = JobStore(database ?? shop.test.database, policy: settings.worker.attemptPolicy)
        objects = HangingStore(try remote.store(), hangs: hangs)
        pipeline = Pipeline(
            oneDrive: try remote.oneDrive(tokens: StoredRefreshToken(settings, in: store)), store: objects,
            readAhead: remote.readAhead, threads: nil)
        self.settings = settings.worker
        self.settings.clearingSeconds = 1.5
    }

    private var logger: Logger { Logger(label: "test") { [log] _ in log } }

    /// A worker that can be told to stop by cancelling its task.
    func worker() -> Worker {
        Worker(store: store, pipeline: pipeline, settings: settings, metrics: metrics, logger: logger)
    }

    /// What does one claimed video.
    func run(_ job: Job, watch: JobWatch) -> JobRun {
        JobRun(
            job: job, watch: watch, store: store, pipeline: pipeline, settings: settings, metrics: metrics,
            logger: logger)
    }

    /// Claims the video that is due, begins it, and stops it at the end unless it has ended; nothing of it is left then.
    func running(_ watch: JobWatch = JobWatch(), _ body: (Job) async throws -> Void) async throws {
        guard let job = try await store.claim(owner: "this", lease: settings.leaseSeconds) else {
            throw Program.Fault(description: "no video is due")
        }
        let running = Task { _ = await run(job, watch: watch).run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body(job)) } catch { result = .failure(error) }
        watch.stop(.shutdown)
        running.cancel()
        objects.letGo()
        await running.value
        try result.get()
    }
}

extension TestDatabase {
    /// Has the application refuse that a video which is worked on becomes one of these states: a trigger of its own raises.
    func refuse(_ states: [JobState], of id: String) async throws {
        try await database.query(
            """
            create or replace function application_rule() returns trigger language plpgsql as $$
            begin
                if new.id::text = '\(id)' and old.social_ready_status = 'processing'
                    and new.social_ready_status in (\(states.map { "'\($0.rawValue)'" }.joined(separator: ", ")))
                then
                    raise exception 'not on a Sunday';
                end if;
                return new;
            end $$
            """)
        try await database.query(
            """
            create trigger application_rule before update on product_videos
            for each row execute function application_rule()
            """)
    }

    /// Counts writes of rows from now on; returns what tells how many there were.
    func countWrites() async throws -> @Sendable () async throws -> Int {
        try await database.query("create sequence written minvalue 0")
        try await database.query("select nextval('written')")
        try await database.query(
            """
            create function count_write() returns trigger language plpgsql as $$
            begin
                perform nextval('written');
                return null;
            end $$
            """)
        try await database.query(
            "create trigger count_write after update on product_videos for each row execute function count_write()")
        return { [database] in
            try await database.query("select last_value::int as writes from written").rows.first?
                .decode(Int.self, "writes") ?? 0
        }
    }
}
