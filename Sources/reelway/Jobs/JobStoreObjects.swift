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
    /// Whether nothing remains to be done afterwards: nobody asks for the video, and so nobody writes the key.
    let isLast: Bool
    /// Until when its key is kept from being written, in the database's own words; nil where it isn't being removed.
    let removal: String?
}

/// What lies in the object store. A worker notes what it is about to write before it does, so that whatever becomes of the
/// worker, its traces are found.
///
/// Nothing is removed under a key that is being written. `startRemoval` marks the key in one statement with a look at the
/// row that it has locked, and only where nobody asks for the video. Whoever asks for it changes that row afterwards, so
/// whoever claims it then finds the mark: it waits until `isBeingRemoved` says no before it sends the store anything.
/// A mark ends with its removal, or with its time where the remover died or can't tell whether it succeeded.
///
/// What is left is removed twice, a minute apart: a worker that was told to stop may have had a request under way of which
/// the store makes an object only then.
///
/// The note of an object that a row shows, or showed last, is `finished`, and no leftover. It stays with its object when the
/// row is deleted: whoever has the address may go on showing it.
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
            on conflict (video_id, fence, key) do update set upload_id = excluded.upload_id, finished = false
            """, job.videoID, job.owner, job.fence, key, uploadID
        ).count > 0
    }

    /// Notes that an upload of this key may be open whose id nobody knows. The job's own note stays with the object it made:
    /// this one stands beside it, like that of an attempt that died, and no attempt's fence is 0.
    ///
    /// - Returns: false when the video isn't this worker's any more; its own note finds the upload then.
    func uploadLost(_ job: Job, key: String) async throws -> Bool {
        let id = try await table().cast("$1")
        return try await database.query(
            """
            insert into reelway_objects (video_id, fence, key)
            select $1, 0, $4 from product_videos v
            where \(Self.isOurs(id))
            on conflict (video_id, fence, key) do update set upload_id = null
            """, job.videoID, job.owner, job.fence, key
        ).count > 0
    }

    /// What is left of dead, failed and cancelled jobs, and objects of ready videos that a newer one has replaced. Nothing
    /// of a running job, and never what a row's address shows.
    ///
    /// - Parameter limit: how many at most: first those that nobody has tried to remove, the oldest first, so that what can't
    ///   be removed keeps none of the rest.
    func leftovers(limit: Int = 100) async throws -> [Leftover] {
        try await database.query(try await leftoversStatement(), limit).rows.map(Leftover.init)
    }

    /// Finds leftovers, `$1` at most.
    func leftoversStatement() async throws -> String {
        """
        \(try await leftovers(among: "product_videos", where: "true"))
        order by o.removing_until nulls first, o.created_at limit $1::bigint
        """
    }

    /// Keeps a leftover's key from being written while it is removed. Where its video is asked for no mark is needed: only
    /// an upload that is known by its id is ended then, which takes nothing from anyone.
    ///
    /// - Parameter seconds: until the key may be written again, unless it is settled before.
    /// - Returns: the leftover as it is now. Nil where it is none any more, since its video may have been asked for again
    ///   and the same key be written or shown; where somebody is changing the row; and where it is being removed already.
    func startRemoval(_ leftover: Leftover, holding seconds: Double) async throws -> Leftover? {
        guard leftover.isLast else { return leftover }
        let id = try await table().cast("$1")
        let found = try await leftovers(
            among: "video",
            where: """
                o.video_id = $1 and o.fence = $2::bigint and o.key = $3
                and (exists (select from video) or not exists (select from product_videos where id = \(id)))
                """)
        return try await database.query(
            """
            with video as materialized (
                -- As it is now, which no other part of the statement sees.
                select id, social_ready_status, social_ready_url, social_ready_fence from product_videos
                where id = \(id) and social_ready_status not in ('pending', 'processing')
                for share skip locked
            ), found as materialized (\(found))
            update reelway_objects o set removing_until = now() + make_interval(secs => $4::float8)
            from found
            where o.video_id = found.video_id and o.fence = found.fence and o.key = found.key
                and coalesce(o.removing_until <= now(), true)
            returning found.*, o.removing_until::text as removal
            """, leftover.videoID, leftover.fence, leftover.key, seconds
        ).rows.first.map(Leftover.init)
    }

    /// Whether somebody may be removing what an earlier attempt has left under a key.
    func isBeingRemoved(_ videoID: String, key: String) async throws -> Bool {
        try await database.query(
            "select from reelway_objects where video_id = $1 and key = $2 and removing_until > now()", videoID, key
        ).count > 0
    }

    /// Selects the leftovers among videos, which may be all or some of `product_videos`.
    private func leftovers(among videos: String, where condition: String) async throws -> String {
        """
        select o.video_id, o.fence, o.key, o.upload_id, o.created_at,
            not s.is_busy and not s.is_kept as deletes, not s.is_busy as is_last
        from reelway_objects o
        left join \(videos) v on v.id = \(try await table().cast("o.video_id"))
        cross join lateral (select
            -- Another attempt may write the same key at any moment.
            coalesce(v.social_ready_status in ('pending', 'processing'), false) as is_busy,
            coalesce(strpos(v.social_ready_url, o.key) > 0, false) or exists (
                select from reelway_objects p where p.video_id = o.video_id and p.key = o.key and p.finished) as is_kept
        ) s
        where \(condition) and not o.finished and coalesce(o.removed_at < now() - interval '1 minute', true)
            and not coalesce(v.social_ready_status = 'processing' and v.social_ready_fence = o.fence, false)
            and (o.upload_id is not null or not s.is_busy)
        """
    }

    /// Notes that what a leftover asked for was done. Not where its removal took too long and may be another's by now.
    func settled(_ leftover: Leftover) async throws {
        if leftover.isLast {
            try await database.query(
                """
                with gone as (
                    delete from reelway_objects
                    where video_id = $1 and fence = $2::bigint and key = $3
                        and removing_until is not distinct from $4::timestamptz and removed_at is not null
                )
                update reelway_objects set removed_at = now(), removing_until = null, upload_id = null
                where video_id = $1 and fence = $2::bigint and key = $3
                    and removing_until is not distinct from $4::timestamptz and removed_at is null
                """, leftover.videoID, leftover.fence, leftover.key, leftover.removal)
        } else {
            try await database.query(
                "update reelway_objects set upload_id = null where video_id = $1 and fence = $2::bigint and key = $3",
                leftover.videoID, leftover.fence, leftover.key)
        }
    }
}

extension Leftover {
    fileprivate init(_ row: Row) throws {
        self.init(
            videoID: try row.decode(String.self, "video_id"), fence: try row.decode(Int64.self, "fence"),
            key: try row.decode(String.self, "key"), uploadID: row["upload_id"],
            deletesObject: try row.decode(Bool.self, "deletes"), isLast: try row.decode(Bool.self, "is_last"),
            removal: row["removal"])
    }
}
