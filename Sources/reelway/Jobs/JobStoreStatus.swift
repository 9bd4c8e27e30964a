import Foundation
import Postgres

/// Where a video stands.
struct VideoStatus: Sendable, Equatable {
    let id: String
    let state: JobState
    /// The object's public address; of a ready video only.
    let url: String?
    /// `code: sentence` of a failed video, or of the attempt before of one that waits for its next.
    let error: String?
    /// 0 to 1; nil unless processing or ready.
    let progress: Double?
    /// What its worker does; of a processing video only.
    let stage: String?
    /// Whether it is worked on or waits for it, and not for being asked for.
    let isAsked: Bool
    /// Whether it waits for a time that is still to come.
    let isResting: Bool
    /// The row's fields as one JSON object, as the routes show them.
    let json: String
}

/// How many videos there are.
struct QueueCounts: Sendable, Equatable {
    /// By state.
    let videos: [JobState: Int]
    /// Those that wait for a worker now.
    let due: Int
    /// Seconds that the first of these has waited.
    let oldestDueSeconds: Double
    /// Those whose worker has gone silent.
    let expiredLeases: Int
}

extension JobStore {
    /// Where a video stands, or nil where there is none.
    func status(_ id: String) async throws -> VideoStatus? {
        let table = try await table()
        guard let id = table.normalized(id) else { return nil }
        return try await statuses("v.id = \(table.cast("$1"))", id, table).first
    }

    /// Where a product's videos stand.
    func videos(ofProduct id: String) async throws -> [VideoStatus] {
        let table = try await table()
        guard let type = table.productType, let id = table.normalized(product: id) else { return [] }
        return try await statuses("v.product_id = $1::text::\(type)", id, table)
    }

    private func statuses(_ condition: String, _ id: String, _ table: VideoTable) async throws -> [VideoStatus] {
        func time(_ column: String) -> String {
            "to_char(v.\(column) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        }
        let answer = try await database.query(
            """
            select v.id::text as id, v.social_ready_status as status, v.social_ready_url as url,
                v.social_ready_error as error, v.social_ready_progress as progress, v.social_ready_stage as stage,
                v.social_ready_status = 'processing' or v.social_ready_next_attempt_at is not null as is_asked,
                coalesce(v.social_ready_next_attempt_at > now(), false) as is_resting,
                json_build_object(
                    'id', v.id::text, 'product_id', \(table.optional("product_id")),
                    'filename', \(table.optional("filename")),
                    'social_ready_status', v.social_ready_status, 'social_ready_url', v.social_ready_url,
                    'social_ready_at', \(time("social_ready_at")), 'social_ready_error', v.social_ready_error,
                    'social_ready_progress', v.social_ready_progress, 'social_ready_stage', v.social_ready_stage,
                    'social_ready_attempts', v.social_ready_attempts,
                    'social_ready_next_attempt_at', \(time("social_ready_next_attempt_at")),
                    'social_ready_lease_owner', v.social_ready_lease_owner,
                    'social_ready_lease_until', \(time("social_ready_lease_until")),
                    'social_ready_fence', v.social_ready_fence, 'social_ready_report', v.social_ready_report
                ) as json
            from product_videos v where \(condition) order by v.id
            """, id)
        return try answer.rows.map(VideoStatus.init)
    }

    /// What some row names, one that waits for a worker first; nil where none names anything.
    func anySource() async throws -> (fileID: String, driveID: String?)? {
        let table = try await table()
        let answer = try await database.query(
            """
            select v.onedrive_file_id::text as file_id, \(table.driveID) as drive_id
            from product_videos v where v.onedrive_file_id is not null
            order by v.social_ready_next_attempt_at nulls last limit 1
            """)
        return try answer.rows.first.map { (try $0.decode(String.self, "file_id"), $0["drive_id"]) }
    }

    /// How many videos there are, and how the queue stands.
    func counts() async throws -> QueueCounts {
        let answer = try await database.query(
            """
            select social_ready_status as status, count(*) as count,
                count(*) filter (
                    where social_ready_status = 'pending' and social_ready_next_attempt_at <= now()) as due,
                count(*) filter (
                    where social_ready_status = 'processing' and social_ready_lease_until < now()) as expired,
                -- Those that go first are said to have waited for years, and are not to be believed.
                coalesce(extract(epoch from now() - min(social_ready_next_attempt_at) filter (
                    where social_ready_next_attempt_at between now() - interval '9 years' and now())), 0)::float8 as oldest
            from product_videos group by social_ready_status
            """)
        var videos = Dictionary(uniqueKeysWithValues: JobState.allCases.map { ($0, 0) })
        var due = 0
        var expired = 0
        var oldest = 0.0
        for row in answer.rows {
            guard let state = JobState(rawValue: try row.decode(String.self, "status")) else { continue }
            videos[state] = try row.decode(Int.self, "count")
            due += try row.decode(Int.self, "due")
            expired += try row.decode(Int.self, "expired")
            oldest = max(oldest, try row.decode(Double.self, "oldest"))
        }
        return QueueCounts(videos: videos, due: due, oldestDueSeconds: oldest, expiredLeases: expired)
    }
}

extension VideoStatus {
    fileprivate init(_ row: Row) throws {
        id = try row.decode(String.self, "id")
        state = try JobState(row)
        url = row["url"]
        error = row["error"]
        progress = try row.decodeIfPresent(Double.self, "progress")
        stage = row["stage"]
        isAsked = try row.decode(Bool.self, "is_asked")
        isResting = try row.decode(Bool.self, "is_resting")
        json = try row.decode(String.self, "json")
    }
}

extension JobState {
    /// The state in a row's column `status`.
    init(_ row: Row) throws {
        guard let state = JobState(rawValue: try row.decode(String.self, "status")) else {
            throw PostgresError(.unexpected, "the database's column social_ready_status holds no state of Reelway's")
        }
        self = state
    }
}
