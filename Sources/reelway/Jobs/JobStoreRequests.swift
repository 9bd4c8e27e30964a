import Postgres

/// What others than workers ask for. Ids are taken as a caller writes them; one that no row can have is unknown.
extension JobStore {
    /// Asks for a video's transcode; asking again changes nothing. A video that failed starts over, one that rests between
    /// two attempts goes on resting.
    func trigger(_ id: String) async throws -> TriggerOutcome {
        let table = try await table()
        guard let id = table.normalized(id) else { return .unknown }
        return try await triggers.trigger(id, in: table)
    }

    /// Asks for a video's transcode before all others; among those asked for like this the first is the first. One that
    /// rests between two attempts goes on resting.
    func expedite(_ id: String) async throws -> TriggerOutcome {
        let outcome = try await trigger(id)
        guard outcome == .queued, let id = try await table().normalized(id) else { return outcome }
        try await database.query(
            """
            update product_videos
            set social_ready_next_attempt_at = \(Self.first)
            where id = \(try await table().cast("$1")) and social_ready_status = 'pending'
                and social_ready_next_attempt_at between now() - interval '9 years' and now()
            """, id)
        return outcome
    }

    /// What became of the wish to have a video made again, or not at all.
    enum ChangeOutcome: Sendable, Equatable {
        /// It was.
        case changed
        /// It wasn't: the video's state doesn't allow it.
        case refused(JobState)
        /// There is no such video.
        case unknown
        /// The row names no OneDrive item.
        case noSource
    }

    /// Makes a video again whatever there is of it, with all attempts before it; refused while a worker has it.
    func reset(_ id: String) async throws -> ChangeOutcome {
        // A pending video has no status to set back: it is due now, its attempts forgotten.
        try await change(
            id, by: .reset, needsSource: true,
            """
            social_ready_status = 'pending', social_ready_attempts = 0, social_ready_error = null,
            social_ready_next_attempt_at = now()
            """)
    }

    /// Stops a video that waits or is worked on; its worker notices at its next heartbeat or progress.
    func cancel(_ id: String) async throws -> ChangeOutcome {
        try await change(
            id, by: .cancelled, needsSource: false,
            """
            social_ready_status = 'failed', social_ready_error = 'cancelled: cancelled on request; trigger it to start over',
            social_ready_report = null
            """)
    }

    private func change(
        _ id: String, by event: JobState.Event, needsSource: Bool, _ sets: String
    ) async throws -> ChangeOutcome {
        let table = try await table()
        guard let id = table.normalized(id) else { return .unknown }
        let deadline = ContinuousClock.now + Self.holdPatience
        while true {
            let row = try await attempt(id, table, by: event, needsSource: needsSource, sets)
            guard let row else { return .unknown }
            if row["status"] != nil {
                if try row.decode(Bool.self, "is_changed") { return .changed }
                let state = try JobState(row)
                return JobState.changed(by: event).contains(state) ? .noSource : .refused(state)
            }
            guard ContinuousClock.now < deadline else { throw Self.rowIsHeld }
            try await Task.sleep(for: Self.holdPause)
        }
    }

    /// Changes the row where its state allows it.
    ///
    /// - Returns: nil where there is no row; one without a status where someone holds it: to wait for it in the database would
    ///   take a connection from all others.
    private func attempt(
        _ id: String, _ table: VideoTable, by event: JobState.Event, needsSource: Bool, _ sets: String
    ) async throws -> Row? {
        try await database.query(
            """
            with found as (
                select id, social_ready_status as status, onedrive_file_id is not null as has_source
                from product_videos where id = \(table.cast("$1")) for update skip locked
            ), changed as (
                update product_videos v set \(sets)
                from found
                where v.id = found.id and found.status = any($2::text[]) and (found.has_source or not $3::boolean)
                returning 1
            )
            select found.status, exists (select from changed) as is_changed
            from product_videos v left join found on found.id = v.id where v.id = \(table.cast("$1"))
            """,
            id, JobState.changed(by: event).map(\.rawValue), needsSource
        ).rows.first
    }

    /// How long a caller waits for a row that someone else's transaction holds.
    static let holdPatience: Duration = .seconds(10)
    /// Between two looks at such a row.
    static let holdPause: Duration = .milliseconds(100)
    static let rowIsHeld = PostgresError(
        .unavailable, "another transaction has held the video's row for too long; try again")

    /// Asks for the transcode of videos that nobody has asked for: those from before Reelway.
    ///
    /// - Parameter limit: how many at most, the first ids first; nil for all.
    /// - Returns: how many there were.
    func backfill(limit: Int?) async throws -> Int {
        try await database.query(
            """
            update product_videos v set social_ready_status = 'pending'
            from (
                select id from product_videos
                where social_ready_status = 'pending' and social_ready_next_attempt_at is null
                    and onedrive_file_id is not null
                order by id limit $1::bigint for update skip locked
            ) old
            where v.id = old.id
            """, limit, timeout: .seconds(300)
        ).count
    }
}
