import Foundation
import Postgres
import Testing

@testable import reelway

/// What others than workers ask for.
@Suite(.enabled(if: TestDatabase.isThere && TestDatabase.hasPooler))
struct JobStoreRequestsTests {
    @Test(arguments: TestDatabase.Way.allCases)
    func `a hundred triggers at once make one transcode`(way: TestDatabase.Way) async throws {
        try await TestDatabase.withStore(way) { test, store in
            let id = try await test.insertVideo()
            let outcomes = try await withThrowingTaskGroup(of: TriggerOutcome.self) { group in
                for _ in 0..<100 { group.addTask { try await store.trigger(id) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count == 100 && outcomes.allSatisfy { $0 == .queued })
            #expect(try await store.claim(owner: "a", lease: 60)?.attempt == 1)
            #expect(try await store.claim(owner: "b", lease: 60) == nil)
            #expect(try await store.trigger(id) == .alreadyProcessing)
        }
    }

    @Test func `each of many triggers of different videos gets its own answer`() async throws {
        try await TestDatabase.withStore { test, store in
            let source = try await test.insertVideo(nil)
            let queued = try await test.insertVideo()
            let taken = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(taken.videoID == queued)
            #expect(try await store.complete(taken, key: "k", url: "https://u", report: nil))
            let failed = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await store.fail(job, .tooLong, "an hour")
            let expected: [String: TriggerOutcome] = [
                source: .noSource, queued: .alreadyReady(url: "https://u"), failed: .queued,
                UUID().uuidString: .unknown, "nonsense": .unknown, failed.uppercased(): .queued,
            ]
            try await withThrowingTaskGroup(of: (String, TriggerOutcome).self) { group in
                for id in expected.keys {
                    for _ in 0..<20 { group.addTask { (id, try await store.trigger(id)) } }
                }
                for try await (id, outcome) in group { #expect(outcome == expected[id], "\(id)") }
            }
            let status = try #require(try await store.status(failed))
            #expect(status.error == nil && status.isAsked)
            #expect(try await store.claim(owner: "a", lease: 60)?.attempt == 1)
        }
    }

    @Test func `ids that only look the same are two`() async throws {
        try await TestDatabase.with { test in
            try await test.database.query("create table product_videos (id text primary key, onedrive_file_id text)")
            _ = try await Schema.migrate(test.database, standalone: false)
            let store = JobStore(test.database)
            let ids = ["caf\u{e9}", "cafe\u{301}"]
            for id in ids {
                try await test.database.query(
                    "insert into product_videos (id, onedrive_file_id) values ($1, 'item')", id)
            }
            try await test.database.query("update product_videos set social_ready_status = 'failed'")
            try await withThrowingTaskGroup(of: TriggerOutcome.self) { group in
                for _ in 0..<20 { for id in ids { group.addTask { try await store.trigger(id) } } }
                for try await outcome in group { #expect(outcome == .queued) }
            }
            #expect(try await store.claim(owner: "a", lease: 60) != nil)
            #expect(try await store.claim(owner: "b", lease: 60) != nil)
        }
    }

    @Test func `a row that someone holds keeps only its own caller waiting`() async throws {
        try await TestDatabase.withStore { test, store in
            let held = try await test.insertVideo()
            let other = try await test.insertVideo()
            for _ in 0..<2 {
                let job = try #require(try await store.claim(owner: "a", lease: 60))
                try await store.fail(job, .tooLong, "an hour")
            }
            try await test.database.transaction { transaction in
                try await transaction.query("select from product_videos where id::text = $1 for update", held)
                let waiting = Task { try await store.trigger(held) }
                let start = ContinuousClock.now
                #expect(try await store.trigger(other) == .queued)
                #expect(.now - start < .seconds(1))
                try await Task.sleep(for: .milliseconds(200))
                #expect(try await store.status(held)?.state == .failed)
                try await transaction.query("update product_videos set filename = 'x' where id::text = $1", held)
                _ = waiting
            }
            for _ in 0..<100 where try await store.status(held)?.state == .failed {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await store.status(held)?.state == .pending)
        }
    }

    @Test func `however many ask for rows that someone holds, the database answers all others`() async throws {
        try await TestDatabase.withStore { test, store in
            for _ in 0..<8 { _ = try await test.insertVideo() }
            while let job = try await store.claim(owner: "a", lease: 60) {
                try await store.fail(job, .tooLong, "an hour")
            }
            let held = try await test.database.query("select id::text as id from product_videos").rows
                .compactMap { $0["id"] }
            #expect(held.count == 8)
            let other = try await test.insertVideo()
            let waiting = try await test.database.transaction { transaction in
                try await transaction.query(
                    "select from product_videos where social_ready_status = 'failed' for update")
                let waiting = held.flatMap { id in
                    [Task { _ = try await store.trigger(id) }, Task { _ = try await store.reset(id) }]
                }
                try await Task.sleep(for: .milliseconds(300))
                let start = ContinuousClock.now
                #expect(try await store.trigger(other) == .queued)
                #expect(try await store.cancel(other) == .changed)
                #expect(.now - start < .seconds(1))
                return waiting
            }
            for task in waiting { try await task.value }
            for id in held { #expect(try await store.status(id)?.state == .pending) }
        }
    }

    @Test func `a trigger leaves a video that rests between attempts alone, a reset doesn't`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.reset(id) == .refused(.processing))
            try await store.fail(job, .sourceThrottled, "later", retryAfter: 1000)
            #expect(try await store.trigger(id) == .queued)
            #expect(try await store.claim(owner: "a", lease: 60) == nil)
            #expect(try await store.reset(id) == .changed)
            #expect(try await store.status(id)?.error == nil)
            let again = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(again.attempt == 1 && again.fence == 2)
            #expect(try await store.complete(again, key: "k", url: "https://u", report: "{}"))
            #expect(try await store.reset(id) == .changed)
            #expect(try await store.status(id)?.url == nil)
            #expect(try await store.reset(try await test.insertVideo(nil)) == .noSource)
            #expect(try await store.reset(UUID().uuidString) == .unknown)
        }
    }

    @Test func `who waits goes first, in the order of asking`() async throws {
        try await TestDatabase.withStore { test, store in
            var ids: [String] = []
            for _ in 0..<4 { ids.append(try await test.insertVideo()) }
            #expect(try await store.expedite(ids[3]) == .queued)
            #expect(try await store.expedite(ids[2]) == .queued)
            #expect(try await store.expedite(ids[3]) == .queued)
            var order: [String] = []
            while let job = try await store.claim(owner: "a", lease: 60) { order.append(job.videoID) }
            #expect(order == [ids[3], ids[2], ids[0], ids[1]])
            #expect(try await store.expedite(ids[0]) == .alreadyProcessing)
        }
    }

    @Test func `who waits for a video that rests between attempts doesn't end its rest`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await store.fail(job, .sourceThrottled, "later", retryAfter: 1000)
            #expect(try await store.expedite(id) == .queued)
            #expect(try await store.claim(owner: "a", lease: 60) == nil)
            // When its rest is over it goes first.
            _ = try await test.insertVideo()
            try await test.database.query(
                "update product_videos set social_ready_next_attempt_at = now() where id::text = $1", id)
            #expect(try await store.expedite(id) == .queued)
            #expect(try await store.claim(owner: "a", lease: 60)?.videoID == id)
        }
    }

    @Test func `what waits or runs is cancelled, what has ended isn't`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            #expect(try await store.cancel(id) == .changed)
            #expect(try await store.claim(owner: "a", lease: 60) == nil)
            #expect(try await store.cancel(id) == .refused(.failed))
            #expect(try await store.trigger(id) == .queued)
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.uploadStarted(job, key: "k", uploadID: "u"))
            #expect(try await store.cancel(id) == .changed)
            #expect(try await !store.heartbeat(job, lease: 60))
            #expect(try await !store.complete(job, key: "k", url: "https://u", report: nil))
            let status = try #require(try await store.status(id))
            #expect(status.state == .failed && status.error?.hasPrefix("cancelled: ") == true && status.url == nil)
            #expect(try await store.cancel(UUID().uuidString) == .unknown)
        }
    }

    @Test func `counts say how the queue stands`() async throws {
        try await TestDatabase.withStore { test, store in
            #expect(try await store.counts().videos == [.pending: 0, .processing: 0, .ready: 0, .failed: 0])
            for _ in 0..<3 { _ = try await test.insertVideo(product: "p") }
            _ = try await test.insertVideo(nil)
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            try await test.expireLease(job.videoID)
            let counts = try await store.counts()
            #expect(counts.videos == [.pending: 3, .processing: 1, .ready: 0, .failed: 0])
            #expect(counts.due == 2 && counts.expiredLeases == 1 && counts.oldestDueSeconds >= 0)
            #expect(try await store.videos(ofProduct: "p").count == 3)
            #expect(try await store.videos(ofProduct: "q").isEmpty)
        }
    }

    @Test func `a table without products has videos of none`() async throws {
        try await TestDatabase.with { test in
            try await test.database.query("create table product_videos (id bigint primary key, onedrive_file_id text)")
            _ = try await Schema.migrate(test.database, standalone: false)
            let store = JobStore(test.database)
            try await test.database.query("insert into product_videos values (1, 'item')")
            #expect(try await store.videos(ofProduct: "p").isEmpty)
            #expect(try await store.status("1")?.state == .pending)
        }
    }

    @Test func `a status shows the row's fields as JSON`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo(product: "p", name: "c\"lip.mov")
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.complete(job, key: "k", url: "https://u", report: #"{"ok":true}"#))
            let json = try #require(try await store.status(id)?.json)
            let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
            #expect(object["id"] as? String == id && object["filename"] as? String == "c\"lip.mov")
            #expect(object["social_ready_status"] as? String == "ready" && object["social_ready_attempts"] as? Int == 1)
            #expect((object["social_ready_report"] as? [String: Bool]) == ["ok": true])
            #expect(object["social_ready_error"] is NSNull)
            // In UTC, whatever the server's zone.
            let at = try #require(object["social_ready_at"] as? String)
            let date = try Date(at, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            #expect(abs(date.timeIntervalSinceNow) < 60)
        }
    }
}
