import Foundation
import Postgres
import Testing

@testable import reelway

/// What a worker does to a video, on a real server, straight and through a transaction pooler.
@Suite(.enabled(if: TestDatabase.isThere && TestDatabase.hasPooler))
struct JobStoreTests {
    @Test(arguments: TestDatabase.Way.allCases)
    func `an inserted video is claimed, reports progress and becomes ready`(way: TestDatabase.Way) async throws {
        try await TestDatabase.withStore(way) { test, store in
            let id = try await test.insertVideo("item-1")
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(
                job == Job(videoID: id, fileID: "item-1", driveID: nil, attempt: 1, owner: "a", fence: 1))
            #expect(try await store.claim(owner: "b", lease: 60) == nil)
            #expect(try await store.heartbeat(job, lease: 60))
            #expect(try await store.progress(job, stage: "transcoding", fraction: 0.5, lease: 60))
            var status = try #require(try await store.status(id))
            #expect(
                status.state == .processing && status.progress == 0.5 && status.stage == "transcoding" && status.isAsked
            )
            #expect(try await store.progress(job, stage: "uploading", fraction: 0.25, lease: 60))
            #expect(try await store.status(id)?.progress == 0.5)
            #expect(try await store.uploadStarted(job, key: "\(id)/k.mp4", uploadID: "u"))
            #expect(
                try await store.complete(job, key: "\(id)/k.mp4", url: "https://x/\(id)/k.mp4", report: #"{"ok":true}"#)
            )
            status = try #require(try await store.status(id))
            #expect(status.state == .ready && status.url == "https://x/\(id)/k.mp4" && status.progress == 1)
            #expect(status.stage == nil && status.error == nil && !status.isAsked)
            let row = try #require(try await test.row(id))
            #expect(row["social_ready_at"] != nil && row["social_ready_lease_owner"] == nil)
            #expect(row["social_ready_next_attempt_at"] == nil && row["social_ready_report"] == #"{"ok": true}"#)
            // The answer was lost on its way and the worker asks again.
            #expect(try await store.complete(job, key: "\(id)/k.mp4", url: "https://x/\(id)/k.mp4", report: nil))
            #expect(try await store.leftovers().isEmpty)
        }
    }

    @Test func `an empty drive is the account's own`() async throws {
        try await TestDatabase.withStore { test, store in
            _ = try await test.insertVideo("item-1")
            try await test.database.query("update product_videos set onedrive_drive_id = ''")
            let source = try #require(try await store.anySource())
            #expect(source.fileID == "item-1" && source.driveID == nil)
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(job.driveID == nil)
            try await test.database.query("update product_videos set onedrive_drive_id = 'drive'")
            try await store.release(job)
            #expect(try await store.claim(owner: "a", lease: 60)?.driveID == "drive")
        }
    }

    @Test func `no two of twenty workers claim one of fifty videos`() async throws {
        try await TestDatabase.withStore(connections: 20) { test, store in
            try await test.database.query(
                "insert into product_videos (onedrive_file_id) select 'item' || n from generate_series(1, 50) n")
            let claimed = try await withThrowingTaskGroup(of: [String].self) { group in
                for worker in 0..<20 {
                    group.addTask {
                        var mine: [String] = []
                        while let job = try await store.claim(owner: "w\(worker)", lease: 60) {
                            mine.append(job.videoID)
                        }
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            // A worker may find the only free row held for an instant, and stop: then the rest is still there for the next.
            var all = claimed
            while let job = try await store.claim(owner: "last", lease: 60) { all.append(job.videoID) }
            #expect(all.count == 50 && Set(all).count == 50)
        }
    }

    @Test(arguments: [true, false])
    func `each sign of life renews the lease, also one that ran out`(isProgress: Bool) async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.expireLease(id)
            let isOurs =
                isProgress
                ? try await store.progress(job, stage: "transcoding", fraction: 0.5, lease: 60)
                : try await store.heartbeat(job, lease: 60)
            #expect(isOurs)
            #expect(try await store.claim(owner: "b", lease: 60) == nil)
        }
    }

    @Test func `a lease that ran out while the server was away stays its worker's for some seconds more`() async throws
    {
        try await OwnServer.with { server, test in
            let store = JobStore(test.database)
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.expireLease(id)
            try await server.stop()
            try await server.start()
            #expect(try await store.claim(owner: "b", lease: 60) == nil)
            #expect(try await store.heartbeat(job, lease: 60))
            // A worker that has died keeps nothing.
            try await test.expireLease(id)
            try await Task.sleep(for: .seconds(6))
            #expect(try await store.claim(owner: "b", lease: 60)?.videoID == id)
        }
    }

    @Test func `a video that kills its worker each time ends failed`() async throws {
        try await TestDatabase.withStore(policy: AttemptPolicy(attempts: 3)) { test, store in
            let id = try await test.insertVideo()
            for attempt in 1...3 {
                #expect(try await store.claim(owner: "a", lease: 60)?.attempt == attempt)
                try await test.expireLease(id)
            }
            #expect(try await store.claim(owner: "a", lease: 60) == nil)
            let status = try #require(try await store.status(id))
            #expect(status.state == .failed)
            #expect(
                status.error
                    == "internal: the worker died or hung each time it had this video; look at its log, then retry the video (3 attempts)"
            )
        }
    }

    @Test func `a video whose worker died goes before those that wait`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            _ = try #require(try await store.claim(owner: "dead", lease: 60))
            let waiting = try await test.insertVideo()
            try await test.expireLease(id)
            #expect(try await store.claim(owner: "b", lease: 60)?.videoID == id)
            #expect(try await store.claim(owner: "b", lease: 60)?.videoID == waiting)
        }
    }

    @Test func `a lease that ran out isn't looked at where that may be an outage's doing`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.progress(job, stage: "uploading", fraction: 0.5, lease: 60))
            try await test.expireLease(id)
            #expect(try await store.claim(owner: "b", lease: 60, takesExpired: false) == nil)
            #expect(try await store.status(id)?.progress == 0.5)
            #expect(try await store.claim(owner: "b", lease: 60)?.fence == 2)
            let status = try #require(try await store.status(id))
            #expect(status.progress == 0 && status.stage == "probing")
        }
    }

    @Test func `a video in work that names no source is given up with a reason, and holds up nothing`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            try await test.database.query(
                "update product_videos set social_ready_status = 'processing', onedrive_file_id = null")
            try await test.expireLease(id)
            let next = try await test.insertVideo()
            #expect(try await store.claim(owner: "a", lease: 60)?.videoID == next)
            let status = try #require(try await store.status(id))
            #expect(status.state == .failed && status.error?.hasPrefix("input_not_found: ") == true)
        }
    }

    @Test func `a video that waits by hand and names no source holds up nothing`() async throws {
        try await TestDatabase.withStore { test, store in
            _ = try await test.insertVideo(nil)
            try await test.database.query(
                "update product_videos set social_ready_next_attempt_at = now() - interval '1 day'")
            let next = try await test.insertVideo()
            #expect(try await store.claim(owner: "a", lease: 60)?.videoID == next)
        }
    }

    @Test func `what a claim took whose answer was lost is found by the claim's name`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            #expect(try await store.claimed(by: "a/1", lease: 60) == nil)
            let job = try #require(try await store.claim(owner: "a/1", lease: 60))
            try await test.expireLease(id)
            #expect(try await store.claimed(by: "a/2", lease: 60) == nil)
            #expect(try await store.claimed(by: "a/1", lease: 60) == job)
            #expect(try await store.claim(owner: "b", lease: 60) == nil)
        }
    }

    @Test func `a passing failure rests and comes back, the last one is final`() async throws {
        try await TestDatabase.withStore(policy: AttemptPolicy(attempts: 2, base: 60)) { test, store in
            let id = try await test.insertVideo()
            let first = try #require(try await store.claim(owner: "a", lease: 60))
            let failure = try await store.fail(first, .sourceUnavailable, "OneDrive is away\nfor now")
            guard case .retried(let after) = failure else {
                Issue.record("not retried: \(failure)")
                return
            }
            #expect((30...60).contains(after))
            let status = try #require(try await store.status(id))
            #expect(
                status.state == .pending && status.isAsked
                    && status.error == "source_unavailable: OneDrive is away for now")
            #expect(try await store.claim(owner: "a", lease: 60) == nil)
            try await test.database.query("update product_videos set social_ready_next_attempt_at = now()")
            let second = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(second.attempt == 2)
            #expect(try await store.status(id)?.error == nil)
            #expect(try await store.fail(second, .sourceUnavailable, "gone") == .final)
            let end = try #require(try await store.status(id))
            #expect(end.state == .failed && end.error == "source_unavailable: gone (2 attempts)" && end.progress == nil)
        }
    }

    @Test(arguments: [ErrorCode.sourceUnavailable, .sourceCorrupt])
    func `a failure whose answer was lost is answered again as it was`(code: ErrorCode) async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            for _ in 0..<2 { #expect(try await store.fail(job, code, "no") != .lost) }
            #expect(try await store.status(id)?.error == "\(code.rawValue): no")
            #expect(try await store.reset(id) == .changed)
            #expect(try await store.fail(job, code, "no") == .lost)
        }
    }

    @Test func `a hopeless failure is final at once`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.fail(job, .sourceCorrupt, "no picture") == .final)
            #expect(try await store.status(id)?.error == "source_corrupt: no picture")
        }
    }

    @Test func `a released video is first in the queue again and its attempt not counted`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            _ = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.release(job))
            #expect(try await !store.release(job))
            let again = try #require(try await store.claim(owner: "b", lease: 60))
            #expect(again.videoID == id && again.attempt == 1 && again.fence == 2)
        }
    }

    @Test func `a report that PostgreSQL can't store doesn't keep the video from being ready`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(
                try await store.complete(job, key: "k", url: "https://x", report: #"{"input":{"name":"a\u0000b"}}"#))
            #expect(try await store.status(id)?.state == .ready)
            let other = try await test.insertVideo()
            let second = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.fail(second, .sourceCorrupt, "zero\0byte") == .final)
            #expect(try await store.status(other)?.error == "source_corrupt: zerobyte")
        }
    }

    @Test func `progress that is no number is none`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            for fraction in [Double.nan, .infinity, -1] {
                #expect(try await store.progress(job, stage: "probing", fraction: fraction, lease: 60))
            }
            #expect(try await store.status(id)?.progress == 0)
            #expect(try await store.progress(job, stage: "probing", fraction: 7, lease: 60))
            #expect(try await store.status(id)?.progress == 1)
        }
    }

    @Test func `a hundred thousand waiting videos are claimed by index within five milliseconds`() async throws {
        try await TestDatabase.withStore { test, store in
            try await test.database.query(
                """
                insert into product_videos (onedrive_file_id, social_ready_next_attempt_at)
                select 'item' || n, now() - make_interval(secs => n) from generate_series(1, 100000) n
                """, timeout: .seconds(120))
            try await test.database.query(
                "update product_videos set social_ready_status = 'processing', social_ready_lease_owner = 'x',"
                    + " social_ready_lease_until = now() + interval '1 h' where random() < 0.001", timeout: .seconds(60)
            )
            try await test.database.query("analyze product_videos", timeout: .seconds(60))
            _ = try await store.claim(owner: "warm", lease: 60)
            var times: [Duration] = []
            for _ in 0..<50 {
                let start = ContinuousClock.now
                #expect(try await store.claim(owner: "w", lease: 600) != nil)
                times.append(.now - start)
            }
            times.sort()
            #expect(times[25] < .milliseconds(5), "median of claims \(times[25]), worst \(times[49])")
            // The server explains the very statement, as auto_explain would log it.
            let plan = try await Self.plan(of: store, test)
            #expect(
                plan.contains("product_videos_social_ready_waiting") && !plan.contains("Seq Scan on product_videos"),
                "\(plan)")
        }
    }

    /// The plan of the claim's own text.
    private static func plan(of store: JobStore, _ test: TestDatabase) async throws -> String {
        let claim = try await store.claimStatement()
        let sql = claim.replacing("$1", with: "'x'").replacing("$2", with: "60").replacing("$3", with: "5")
            .replacing("$4", with: "'internal'").replacing("$5", with: "'input_not_found'")
            .replacing("$6", with: "true")
        return try await test.database.query("explain \(sql)").rows.compactMap { $0["QUERY PLAN"] }.joined(
            separator: "\n")
    }
}
