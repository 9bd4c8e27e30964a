import Postgres
import Testing

@testable import reelway

/// Whose a video is: a worker that has lost it changes nothing any more.
@Suite(.enabled(if: TestDatabase.isThere && TestDatabase.hasPooler))
struct JobStoreFenceTests {
    @Test func `a worker whose lease went to another can change nothing`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let late = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.expireLease(id)
            let next = try #require(try await store.claim(owner: "b", lease: 60))
            #expect(next.videoID == id && next.attempt == 2 && next.fence == 2)
            #expect(try await !store.isHeld(late))
            #expect(try await !store.heartbeat(late, lease: 60))
            #expect(try await !store.progress(late, stage: "uploading", fraction: 1, lease: 60))
            #expect(try await !store.uploadStarted(late, key: "k", uploadID: "u"))
            #expect(try await !store.complete(late, key: "k", url: "https://late", report: nil))
            #expect(try await store.fail(late, .sourceCorrupt, "late") == .lost)
            #expect(try await !store.release(late))
            #expect(try await store.status(id)?.progress == 0)
            #expect(try await store.complete(next, key: "k", url: "https://next", report: nil))
            #expect(try await !store.complete(late, key: "k", url: "https://late", report: nil))
            #expect(try await store.status(id)?.url == "https://next")
        }
    }

    @Test func `the same owner's lease of before is another's, too`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let first = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.expireLease(id)
            let second = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await !store.isHeld(first))
            #expect(try await !store.heartbeat(first, lease: 60))
            #expect(try await store.isHeld(second))
            #expect(try await store.heartbeat(second, lease: 60))
        }
    }

    @Test func `a lease that ran out but that nobody took is still its worker's`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.expireLease(id)
            #expect(try await store.isHeld(job))
            #expect(try await store.heartbeat(job, lease: 60))
            #expect(try await store.claim(owner: "b", lease: 60) == nil)
        }
    }

    @Test(arguments: [
        "delete from product_videos", "update product_videos set social_ready_status = 'pending'",
        "update product_videos set onedrive_file_id = 'another'", "update product_videos set onedrive_file_id = null",
        "update product_videos set social_ready_status = 'failed'",
        "update product_videos set social_ready_status = 'ready', social_ready_url = 'https://elsewhere'",
    ])
    func `a row that is taken away in mid-job is noticed`(change: String) async throws {
        try await TestDatabase.withStore { test, store in
            _ = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.database.query(change)
            #expect(try await !store.isHeld(job))
            #expect(try await !store.heartbeat(job, lease: 60))
            #expect(try await !store.progress(job, stage: "uploading", fraction: 0.5, lease: 60))
            #expect(try await !store.complete(job, key: "k", url: "https://x", report: nil))
        }
    }

    @Test func `a row that was deleted and made anew isn't its old worker's, whose fence is the same`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let old = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.database.query("delete from product_videos where id::text = $1", id)
            try await test.database.query(
                "insert into product_videos (id, onedrive_file_id) values ($1::text::uuid, 'item')", id)
            let job = try #require(try await store.claim(owner: "b", lease: 60))
            try #require(job.fence == old.fence)
            #expect(try await !store.isHeld(old))
            #expect(try await !store.progress(old, stage: "uploading", fraction: 0.5, lease: 60))
            #expect(try await !store.uploadStarted(old, key: "k", uploadID: nil))
            #expect(try await !store.complete(old, key: "k", url: "https://x", report: nil))
            #expect(try await store.fail(old, .sourceCorrupt, "damaged") == .lost)
            #expect(try await !store.release(old))
            #expect(try await store.isHeld(job))
        }
    }
}
