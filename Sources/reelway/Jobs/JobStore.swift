import Postgres
import Synchronization

/// The videos in the database, and the only place that speaks SQL about them. The files JobStore*.swift are one by concern:
///
/// ```
/// JobStore          what a worker does: claim, isHeld, heartbeat, progress, complete, fail, release
/// JobStoreRequests  what others ask for: trigger, expedite, reset, cancel, backfill
/// JobStoreStatus    what there is to see
/// JobStoreObjects   what lies in the object store
/// JobStoreSecrets   secrets that change by themselves
/// ```
///
/// Each call is one short statement, so that a transaction pooler may lie between, and any number of programs share the
/// table. The times are the database's. Which fields a state has is the row trigger's business (Migrations/0003). Which
/// states change by what others ask for, and what a failure leads to, is `JobState.after`'s; a worker's own writes are
/// for the state its fence stands for. Every call throws `PostgresError`, or `CancellationError`.
final class JobStore: Sendable {
    let database: Database
    let policy: AttemptPolicy
    let triggers: TriggerBatches
    private let knownTable = Mutex<(table: VideoTable, end: ContinuousClock.Instant)?>(nil)
    private let tableLife: Duration

    /// Makes a store.
    ///
    /// - Parameter tableLife: how long the application's table is believed to be as it was found; migrations of its own may
    ///   add and drop columns.
    init(_ database: Database, policy: AttemptPolicy = AttemptPolicy(), tableLife: Duration = .seconds(30)) {
        self.database = database
        self.policy = policy
        self.tableLife = tableLife
        triggers = TriggerBatches(database)
    }

    /// What the application's table looks like.
    ///
    /// - Throws: `PostgresError` of kind `rejected` where it is absent or not migrated.
    func table() async throws -> VideoTable {
        if let known = knownTable.withLock({ $0 }), ContinuousClock.now < known.end { return known.table }
        let table = try await VideoTable(in: database)
        knownTable.withLock { $0 = (table, .now + tableLife) }
        return table
    }

    /// Takes the video that has waited longest: one that is due, or one whose worker's lease ran out.
    ///
    /// - Parameters:
    ///   - owner: who takes it; unlike any other worker's name.
    ///   - lease: seconds until it may be taken by another, unless renewed.
    ///   - takesExpired: whether one whose worker's lease ran out may be taken; not soon after an outage, when workers
    ///     that live have yet to renew theirs.
    /// - Returns: nil when there is nothing to do now.
    func claim(owner: String, lease: Double, takesExpired: Bool = true) async throws -> Job? {
        let answer = try await database.query(
            try await claimStatement(), owner, lease, policy.attempts, Self.usedUp, Self.sourceless, takesExpired)
        return try answer.rows.first.map { try Job($0, owner: owner) }
    }

    /// The video that a claim took whose answer was lost; its lease begins anew.
    ///
    /// - Parameters:
    ///   - owner: the name that claim was made under, and no other.
    ///   - lease: as for `claim`.
    /// - Returns: nil where it took none, or another has it by now.
    func claimed(by owner: String, lease: Double) async throws -> Job? {
        try await database.query(
            """
            update product_videos v set social_ready_lease_until = now() + make_interval(secs => $2::float8)
            where v.social_ready_status = 'processing' and v.social_ready_lease_owner = $1
            returning \(Self.columns(of: try await table()))
            """, owner, lease
        ).rows.first.map { try Job($0, owner: owner) }
    }

    private static func columns(of table: VideoTable) -> String {
        """
        v.id::text as id, v.onedrive_file_id::text as file_id, \(table.driveID) as drive_id,
            v.social_ready_attempts as attempt, v.social_ready_fence as fence
        """
    }

    /// Gives up what has no attempts left or names no source, and takes one video; `$1` to `$6` are the owner, the lease,
    /// the attempts there may be, what is said of the ones and of the others, and whether expired leases count.
    func claimStatement() async throws -> String {
        let table = try await table()
        return """
            with used_up as (
                select id from product_videos
                where $6::boolean and \(JobState.leaseExpired)
                    and (social_ready_attempts >= $3::int or onedrive_file_id is null)
                order by social_ready_lease_until limit 100 for update skip locked
            ), given_up as (
                update product_videos v set
                    social_ready_status = 'failed',
                    social_ready_error = case when v.onedrive_file_id is null then $5
                        else $4 || ' (' || v.social_ready_attempts || ' attempts)' end
                from used_up where v.id = used_up.id
            ), expired as (
                select id from product_videos
                where $6::boolean and \(JobState.leaseExpired)
                    and social_ready_attempts < $3::int and onedrive_file_id is not null
                order by social_ready_lease_until limit 1 for update skip locked
            ), due as (
                select id from product_videos
                where social_ready_status = 'pending' and social_ready_next_attempt_at <= now()
                    and onedrive_file_id is not null
                order by social_ready_next_attempt_at limit 1 for update skip locked
            ), taken as (
                select id from expired union all select id from due limit 1
            )
            update product_videos v set
                social_ready_status = 'processing', social_ready_lease_owner = $1,
                social_ready_lease_until = now() + make_interval(secs => $2::float8),
                social_ready_fence = v.social_ready_fence + 1, social_ready_attempts = v.social_ready_attempts + 1,
                social_ready_progress = 0, social_ready_stage = 'probing',
                social_ready_url = null, social_ready_at = null, social_ready_error = null, social_ready_report = null
            from taken where v.id = taken.id
            returning \(Self.columns(of: table))
            """
    }

    /// Whether the video is still this worker's, as `heartbeat` says it, without writing anything.
    func isHeld(_ job: Job) async throws -> Bool {
        let sql = "select from product_videos v where \(Self.isOurs(try await table().cast("$1")))"
        return try await database.query(sql, job.videoID, job.owner, job.fence).count > 0
    }

    /// Says that the worker lives.
    ///
    /// - Returns: false when the video isn't this worker's any more: its lease ran out and another has it, someone cancelled
    ///   it or set it back, or the row is gone. Stop then, and store nothing.
    func heartbeat(_ job: Job, lease: Double) async throws -> Bool {
        try await write(
            job, "social_ready_lease_until = now() + make_interval(secs => $4::float8)", lease)
    }

    /// Says how far the worker is, and so that it lives; never less than it said before. At most once a second, since each
    /// tells all that listen.
    ///
    /// - Parameters:
    ///   - stage: `probing`, `downloading`, `transcoding`, `uploading` or `verifying`.
    ///   - fraction: of the whole, 0 to 1.
    ///   - lease: as for `heartbeat`.
    /// - Returns: false when the video isn't this worker's any more, as for `heartbeat`.
    func progress(_ job: Job, stage: String, fraction: Double, lease: Double) async throws -> Bool {
        let fraction = fraction.isFinite ? min(max(fraction, 0), 1) : 0
        return try await write(
            job,
            """
            social_ready_stage = $4, social_ready_progress = greatest(v.social_ready_progress, $5::real),
            social_ready_lease_until = now() + make_interval(secs => $6::float8)
            """, stage, fraction, lease)
    }

    /// Says that the object is stored and may be seen by all. To be repeated until it doesn't throw: the answer to a
    /// repeated call is that of the first.
    ///
    /// - Parameters:
    ///   - key: the object's.
    ///   - url: where it is.
    ///   - report: JSON of a `Report`; left out when PostgreSQL can't store it.
    /// - Returns: false when the video isn't this worker's any more.
    func complete(_ job: Job, key: String, url: String, report: String?) async throws -> Bool {
        let id = try await table().cast("$1")
        let sql = """
            with done as (
                update product_videos v set
                    social_ready_status = 'ready', social_ready_url = $4, social_ready_at = now(),
                    social_ready_report = $5::jsonb
                where \(Self.isOurs(id))
                returning 1
            ), kept as (
                -- What was finished before is a leftover now; also where the row was made anew since, and counts from 1 again.
                update reelway_objects set finished = fence = $3::bigint and key = $6, upload_id = null
                where video_id = $1 and (fence = $3::bigint or finished) and exists (select from done)
            )
            select exists (select from done) or exists (
                select from product_videos
                where id = \(id) and social_ready_fence = $3::bigint and social_ready_status = 'ready'
                    and social_ready_url = $4) as is_done
            """
        do {
            return try await database.query(sql, job.videoID, job.owner, job.fence, url, report, key).rows.first?[
                "is_done"]
                == "t"
        } catch let error as PostgresError {
            // jsonb refuses what JSON allows, \u0000 for one. The video counts for more than its report.
            guard case .rejected(let sqlState) = error.kind, sqlState.hasPrefix("22"), report != nil else {
                throw error
            }
            return try await complete(job, key: key, url: url, report: nil)
        }
    }

    /// What became of a video whose attempt failed.
    enum FailureOutcome: Sendable, Equatable {
        /// It is tried again after so many seconds.
        case retried(after: Double)
        /// It is given up.
        case final
        /// It isn't this worker's any more, and nothing was written.
        case lost
    }

    /// Says that the attempt failed: the video is tried again after a pause, or given up. To be repeated until it doesn't
    /// throw, as `complete`.
    ///
    /// - Parameters:
    ///   - code: why.
    ///   - message: one sentence without anything secret; stored as `code: message`.
    ///   - retryAfter: seconds a service asked to be left alone for.
    @discardableResult
    func fail(
        _ job: Job, _ code: ErrorCode, _ message: String, retryAfter: Double? = nil
    ) async throws -> FailureOutcome {
        let state = JobState.processing.after(.failed(code), attempt: job.attempt, of: policy.attempts) ?? .failed
        let tries = state == .failed && code.isTransient ? " (\(job.attempt) attempts)" : ""
        let delay = policy.delay(afterAttempt: job.attempt, retryAfter: retryAfter, random: .random(in: 0..<1))
        let id = try await table().cast("$1")
        let answer = try await database.query(
            """
            with done as (
                update product_videos v set
                    social_ready_status = $4, social_ready_error = $5, social_ready_lease_owner = null,
                    social_ready_next_attempt_at = now() + make_interval(secs => $6::float8)
                where \(Self.isOurs(id))
                returning 1
            )
            select exists (select from done) or exists (
                select from product_videos
                where id = \(id) and social_ready_fence = $3::bigint and social_ready_status = $4
                    and social_ready_error = $5) as is_done
            """, job.videoID, job.owner, job.fence, state.rawValue, Self.errorText(code, message) + tries, delay)
        guard answer.rows.first?["is_done"] == "t" else { return .lost }
        return state == .pending ? .retried(after: delay) : .final
    }

    /// Puts the video back for another worker at once, as if it had not been taken: it was the first in the queue.
    ///
    /// - Returns: false when the video isn't this worker's any more.
    @discardableResult
    func release(_ job: Job) async throws -> Bool {
        try await write(
            job,
            """
            social_ready_status = 'pending', social_ready_lease_owner = null, social_ready_next_attempt_at = \(Self.first),
            social_ready_attempts = greatest(v.social_ready_attempts - 1, 0)
            """)
    }

    /// Changes the row while it is the worker's. Parameters of `sets` start at `$4`.
    private func write(_ job: Job, _ sets: String, _ parameters: (any PostgresEncodable)?...) async throws -> Bool {
        let id = try await table().cast("$1")
        let sql = "update product_videos v set \(sets) where \(Self.isOurs(id))"
        return try await database.query(sql, values: [job.videoID, job.owner, job.fence] + parameters).count > 0
    }

    /// The fence: the condition of every write of a worker. `$1` to `$3` are the video, the owner and the fence.
    static func isOurs(_ id: String) -> String {
        """
        v.id = \(id) and v.social_ready_status = 'processing' and v.social_ready_lease_owner = $2
        and v.social_ready_fence = $3::bigint
        """
    }

    /// Since when a video waits that goes before all others; of several, the one that was put there first. The queue's order
    /// is that of this time, and nobody has waited for ten years.
    static let first = "now() - interval '10 years'"

    /// `code: sentence`, on one line and of a length that a page can show.
    private static func errorText(_ code: ErrorCode, _ message: String) -> String {
        let line = message.replacing("\0", with: "").split(whereSeparator: \.isNewline).joined(separator: " ")
        return "\(code.rawValue): \(line.prefix(1000))"
    }

    private static let usedUp = errorText(
        .internal, "the worker died or hung each time it had this video; look at its log, then retry the video")
    private static let sourceless = errorText(
        .inputNotFound, "the video's row was set to processing and names no onedrive_file_id; set that to have it made")
}

extension Job {
    fileprivate init(_ row: Row, owner: String) throws {
        self.init(
            videoID: try row.decode(String.self, "id"), fileID: try row.decode(String.self, "file_id"),
            driveID: row["drive_id"], attempt: try row.decode(Int.self, "attempt"), owner: owner,
            fence: try row.decode(Int64.self, "fence"))
    }
}

extension JobState {
    /// The condition for a video whose worker's lease ran out.
    ///
    /// Leases also run out while the server is down, and their workers go on: for a while after its start they come first,
    /// so that what they have done isn't repeated. They connect again within two seconds. Of an outage without a start, or
    /// with a start that took long, only those know who saw it (`Worker`).
    fileprivate static let leaseExpired = """
        social_ready_status = 'processing' and social_ready_lease_until < now()
        and pg_postmaster_start_time() < now() - interval '5 s'
        """
}
