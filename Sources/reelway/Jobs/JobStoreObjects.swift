import Postgres

/// Something in the object store that no row refers to, and what to do about it.
struct Leftover: Sendable, Equatable {
    let videoID: String
    let fence: Int64
    /// The object's key.
    let key: String
    /// The upload to abort, where one was begun; it may have ended.
    let uploadID: String?
    /// Whether the object is to be deleted, where there is one.
    let deletesObject: Bool
    /// Whether nothing remains to be done afterwards.
    let isLast: Bool
}

/// What lies in the object store. A worker notes what it is about to write before it does, so that whatever becomes of the
/// worker, its traces are found.
extension JobStore {
    /// Notes that the job writes an object.
    ///
    /// - Parameter uploadID: of the store, where it has such a thing; abort the upload when this returns false.
    /// - Returns: false when the video isn't this worker's any more.
    func uploadStarted(_ job: Job, key: String, uploadID: String?) async throws -> Bool {
        let id = try await table().cast("$1")
        return try await database.query(
            """
            insert into reelway_objects (video_id, fence, key, upload_id)
            select $1, $3::bigint, $4, $5 from product_videos v
            where \(Self.isOurs(id))
            on conflict (video_id, fence, key) do update set upload_id = excluded.upload_id
            """, job.videoID, job.owner, job.fence, key, uploadID
        ).count > 0
    }

    /// What is left of dead, failed and cancelled jobs, and objects of ready videos that a newer one has replaced. Nothing
    /// of a running job, and never what a row's address shows.
    ///
    /// - Parameter limit: how many at most, the oldest first.
    func leftovers(limit: Int = 100) async throws -> [Leftover] {
        try await leftovers("true", limit)
    }

    /// A leftover as it is now, nil where it is none any more: since it was found its video may have been asked for again,
    /// and the same key be written or shown.
    func again(_ leftover: Leftover) async throws -> Leftover? {
        try await leftovers(
            "o.video_id = $2 and o.fence = $3::bigint and o.key = $4", 1, leftover.videoID, leftover.fence, leftover.key
        ).first
    }

    private func leftovers(
        _ condition: String, _ limit: Int, _ parameters: (any PostgresEncodable)?...
    ) async throws -> [Leftover] {
        let id = try await table().cast("o.video_id")
        let answer = try await database.query(
            """
            select o.video_id, o.fence, o.key, o.upload_id, not s.is_busy and not s.is_kept as deletes, not s.is_busy as is_last
            from reelway_objects o
            left join product_videos v on v.id = \(id)
            cross join lateral (select
                -- Another attempt may write the same key at any moment.
                coalesce(v.social_ready_status in ('pending', 'processing'), false) as is_busy,
                coalesce(strpos(v.social_ready_url, o.key) > 0, false) or exists (
                    select from reelway_objects p
                    where p.video_id = o.video_id and p.key = o.key and p.fence <> o.fence and p.finished) as is_kept
            ) s
            where \(condition) and case
                when o.finished then v.social_ready_status = 'ready' and v.social_ready_fence <> o.fence
                when v.social_ready_status = 'processing' and v.social_ready_fence = o.fence then false
                else o.upload_id is not null or not s.is_busy end
            order by o.created_at limit $1::bigint
            """, values: [limit] + parameters)
        return try answer.rows.map { row in
            Leftover(
                videoID: try row.decode(String.self, "video_id"), fence: try row.decode(Int64.self, "fence"),
                key: try row.decode(String.self, "key"), uploadID: row["upload_id"],
                deletesObject: try row.decode(Bool.self, "deletes"), isLast: try row.decode(Bool.self, "is_last"))
        }
    }

    /// Notes that what a leftover asked for was done.
    func settled(_ leftover: Leftover) async throws {
        let sql =
            leftover.isLast
            ? "delete from reelway_objects where video_id = $1 and fence = $2::bigint and key = $3"
            : "update reelway_objects set upload_id = null where video_id = $1 and fence = $2::bigint and key = $3"
        try await database.query(sql, leftover.videoID, leftover.fence, leftover.key)
    }
}
