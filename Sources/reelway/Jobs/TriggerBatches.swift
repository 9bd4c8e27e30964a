import Postgres

/// What became of the wish to have a video transcoded.
enum TriggerOutcome: Sendable, Equatable {
    /// It waits for a worker.
    case queued
    /// There is nothing to do: it is at this address.
    case alreadyReady(url: String)
    /// A worker has it.
    case alreadyProcessing
    /// There is no such video.
    case unknown
    /// The row names no OneDrive item.
    case noSource
}

/// Answers triggers many at a time: while one statement is under way, the next ones gather for one more. So the answer is as
/// fast as one statement, whatever the number of callers, and a busy endpoint costs the database little.
actor TriggerBatches {
    private let database: Database
    private var waiting: [Waiter] = []
    private var isRunning = false

    private struct Waiter {
        let id: String
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<TriggerOutcome, any Error>
    }

    /// An id as the database tells it from others, for which Swift's texts can be equal: é in one character or in two.
    private typealias Spelling = [UInt8]

    /// As many ids as one statement takes.
    private static let most = 500

    init(_ database: Database) { self.database = database }

    /// Asks for one video's transcode.
    ///
    /// - Parameter id: in the database's own spelling.
    func trigger(_ id: String, in table: VideoTable) async throws -> TriggerOutcome {
        try await withCheckedThrowingContinuation { continuation in
            add([Waiter(id: id, deadline: .now + JobStore.holdPatience, continuation: continuation)], table)
        }
    }

    private func add(_ waiters: [Waiter], _ table: VideoTable) {
        waiting += waiters
        guard !isRunning else { return }
        isRunning = true
        Task { await answer(table) }
    }

    private func answer(_ table: VideoTable) async {
        while !waiting.isEmpty {
            let batch = waiting.prefix(Self.most)
            waiting.removeFirst(batch.count)
            let outcomes: Result<[Spelling: TriggerOutcome?], any Error>
            do {
                outcomes = .success(try await ask(for: batch.map(\.id), table))
            } catch {
                outcomes = .failure(error)
            }
            var held: [Waiter] = []
            for waiter in batch {
                switch outcomes {
                case .failure(let error): waiter.continuation.resume(throwing: error)
                case .success(let outcomes):
                    switch outcomes[Spelling(waiter.id.utf8)] {
                    case .some(.some(let outcome)): waiter.continuation.resume(returning: outcome)
                    case .some(.none) where .now < waiter.deadline: held.append(waiter)
                    case .some(.none): waiter.continuation.resume(throwing: JobStore.rowIsHeld)
                    case .none: waiter.continuation.resume(returning: .unknown)
                    }
                }
            }
            if !held.isEmpty { Task { [held] in await addLater(held, table) } }
        }
        isRunning = false
    }

    /// Asks again for rows that someone holds. To wait for them in the database would take a connection from all others.
    private func addLater(_ waiters: [Waiter], _ table: VideoTable) async {
        try? await Task.sleep(for: JobStore.holdPause)
        add(waiters, table)
    }

    /// Queues those that need it, in one statement.
    ///
    /// - Returns: for each video that is there what became of the wish; nil for one that would have to be changed and is
    ///   held by another transaction.
    private func ask(for ids: [String], _ table: VideoTable) async throws -> [Spelling: TriggerOutcome?] {
        // The row trigger queues what is set to pending. Locked in one order, two batches never wait for each other.
        let answer = try await database.query(
            """
            with asked as (
                select distinct \(table.cast("id")) as id from unnest($1::text[]) as id
            ), idle as (
                select v.id from product_videos v join asked using (id)
                where v.onedrive_file_id is not null and (
                    v.social_ready_status = any($2::text[]) and v.social_ready_status <> 'pending'
                    or v.social_ready_status = 'pending' and v.social_ready_next_attempt_at is null)
                order by v.id for update of v skip locked
            ), queued as (
                update product_videos v set social_ready_status = 'pending' from idle where v.id = idle.id returning v.id
            )
            select v.id::text as id, v.social_ready_status as status, v.social_ready_url as url,
                v.onedrive_file_id is null as has_no_source, queued.id is not null as is_queued,
                v.social_ready_status = 'pending' and v.social_ready_next_attempt_at is not null as is_asked
            from asked join product_videos v using (id) left join queued using (id)
            """,
            ids, JobState.changed(by: .triggered).map(\.rawValue))
        var outcomes: [Spelling: TriggerOutcome?] = [:]
        for row in answer.rows {
            let isQueued = try row.decode(Bool.self, "is_queued") || row.decode(Bool.self, "is_asked")
            let outcome: TriggerOutcome? =
                switch try row.decode(String.self, "status") {
                case JobState.ready.rawValue: .alreadyReady(url: try row.decode(String.self, "url"))
                case JobState.processing.rawValue: .alreadyProcessing
                case _ where isQueued: .queued
                case _ where try row.decode(Bool.self, "has_no_source"): .noSource
                default: nil
                }
            outcomes.updateValue(outcome, forKey: Spelling(try row.decode(String.self, "id").utf8))
        }
        return outcomes
    }
}
