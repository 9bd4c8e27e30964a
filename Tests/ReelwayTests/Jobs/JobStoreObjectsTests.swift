import Foundation
import Postgres
import Testing

@testable import reelway

/// What is left in the object store, and secrets that change by themselves.
@Suite(.enabled(if: TestDatabase.isThere && TestDatabase.hasPooler))
struct JobStoreObjectsTests {
    @Test func `an upload of a worker that died is aborted, its key kept for the next`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let dead = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.uploadStarted(dead, key: "\(id)/a.mp4", uploadID: "u1"))
            #expect(try await store.leftovers().isEmpty)
            try await test.expireLease(id)
            #expect(try await store.leftovers().isEmpty, "nobody has taken the video over")
            let next = try #require(try await store.claim(owner: "b", lease: 60))
            let abandoned = try await store.leftovers()
            #expect(abandoned.map(\.uploadID) == ["u1"])
            #expect(abandoned.map(\.deletesObject) == [false] && abandoned.map(\.isLast) == [false])
            try await store.settled(abandoned[0])
            #expect(try await store.leftovers().isEmpty)
            #expect(try await store.uploadStarted(next, key: "\(id)/a.mp4", uploadID: "u2"))
            #expect(try await store.complete(next, key: "\(id)/a.mp4", url: "https://x/\(id)/a.mp4", report: nil))
            // The same key was written again: the dead worker's trace is forgotten, the object stays.
            let rest = try await store.leftovers()
            #expect(
                rest.map(\.deletesObject) == [false] && rest.map(\.isLast) == [true] && rest.map(\.uploadID) == [nil])
            try await store.settled(rest[0])
            #expect(try await store.leftovers().isEmpty)
        }
    }

    @Test func `an object that a newer one replaced is deleted once the newer is ready`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            for (number, key) in ["old", "new"].enumerated() {
                let job = try #require(try await store.claim(owner: "a", lease: 60))
                #expect(try await store.uploadStarted(job, key: "\(id)/\(key).mp4", uploadID: "u\(number)"))
                #expect(try await store.leftovers().isEmpty)
                let name = "\(id)/\(key).mp4"
                #expect(try await store.complete(job, key: name, url: "https://x/\(name)", report: nil))
                if number == 0 { #expect(try await store.reset(id) == .changed) }
            }
            let left = try await store.leftovers()
            #expect(left.map(\.key) == ["\(id)/old.mp4"] && left.map(\.deletesObject) == [true])
            try await store.settled(left[0])
            #expect(try await store.leftovers().isEmpty)
        }
    }

    @Test func `an object that a row shows is kept, whatever became of its note`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            let key = "\(id)/k.mp4"
            #expect(try await store.uploadStarted(job, key: key, uploadID: nil))
            #expect(try await store.complete(job, key: key, url: "https://x/\(key)", report: nil))
            try await test.database.query("update reelway_objects set finished = false")
            #expect(try await store.leftovers().map(\.deletesObject) == [false])
        }
    }

    @Test func `what a row has left counts as left too where the row was deleted and made anew`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            func remake() async throws {
                try await test.database.query("delete from product_videos where id::text = $1", id)
                try await test.database.query(
                    "insert into product_videos (id, onedrive_file_id) values ($1::text::uuid, 'item')", id)
            }
            for key in ["old", "new"] {
                let job = try #require(try await store.claim(owner: "a", lease: 60))
                #expect(job.fence == 1)
                let name = "\(id)/\(key).mp4"
                #expect(try await store.uploadStarted(job, key: name, uploadID: nil))
                #expect(try await store.complete(job, key: name, url: "https://x/\(name)", report: nil))
                if key == "old" { try await remake() }
            }
            let left = try await store.leftovers()
            #expect(left.map(\.key) == ["\(id)/old.mp4"] && left.map(\.deletesObject) == [true])
            try await remake()
            let job = try #require(try await store.claim(owner: "b", lease: 60))
            #expect(try await store.uploadStarted(job, key: "\(id)/new.mp4", uploadID: "u"))
            #expect(try await store.cancel(id) == .changed)
            #expect(try await store.leftovers().contains { $0.uploadID == "u" })
        }
    }

    @Test func `what a failed, cancelled or deleted video began is deleted`() async throws {
        try await TestDatabase.withStore { test, store in
            for end in ["fail", "cancel", "delete"] {
                let id = try await test.insertVideo()
                let job = try #require(try await store.claim(owner: "a", lease: 60))
                #expect(try await store.uploadStarted(job, key: "\(id)/k.mp4", uploadID: "u-\(end)"))
                switch end {
                case "fail": try await store.fail(job, .sourceCorrupt, "no")
                case "cancel": #expect(try await store.cancel(id) == .changed)
                default: try await test.database.query("delete from product_videos where id::text = $1", id)
                }
                let left = try await store.leftovers()
                #expect(left.map(\.uploadID) == ["u-\(end)"] && left.map(\.deletesObject) == [true])
                for leftover in left { try await store.settled(leftover) }
                #expect(try await store.leftovers().isEmpty)
            }
        }
    }

    @Test func `a key that is being removed is written by nobody until that is over`() async throws {
        try await TestDatabase.withStore { test, store in
            let (id, left) = try await Self.cancelled(test, store)
            let removal = try #require(try await store.startRemoval(left, holding: 60))
            #expect(removal.deletesObject && removal.removal != nil)
            #expect(try await store.startRemoval(left, holding: 60) == nil, "two are removing it")
            #expect(try await store.reset(id) == .changed)
            let job = try #require(try await store.claim(owner: "b", lease: 60))
            #expect(try await store.uploadStarted(job, key: left.key, uploadID: nil))
            #expect(try await store.isBeingRemoved(id, key: left.key))
            #expect(try await store.isBeingRemoved(id, key: "\(id)/other.mp4") == false)
            try await store.settled(removal)
            #expect(try await store.isBeingRemoved(id, key: left.key) == false)
            #expect(try await store.complete(job, key: left.key, url: "https://x/\(left.key)", report: nil))
            #expect(try await store.leftovers().isEmpty)
        }
    }

    @Test func `a removal whose remover died is over in time, and one that comes late ends no other's`() async throws {
        try await TestDatabase.withStore { test, store in
            let (id, left) = try await Self.cancelled(test, store)
            let late = try #require(try await store.startRemoval(left, holding: 0.2))
            try await Task.sleep(for: .seconds(0.3))
            #expect(try await store.isBeingRemoved(id, key: left.key) == false)
            _ = try #require(try await store.startRemoval(left, holding: 60))
            try await store.settled(late)
            #expect(try await store.isBeingRemoved(id, key: left.key))
        }
    }

    @Test func `what a video that is asked for again or changed just now has left isn't removed`() async throws {
        try await TestDatabase.withStore { test, store in
            let (id, left) = try await Self.cancelled(test, store)
            try await test.database.transaction { transaction in
                try await transaction.query("update product_videos set social_ready_error = 'cancelled: by another'")
                #expect(try await store.startRemoval(left, holding: 60) == nil)
            }
            #expect(try await store.reset(id) == .changed)
            #expect(try await store.startRemoval(left, holding: 60) == nil)
            #expect(try await store.isBeingRemoved(id, key: left.key) == false)
            try await test.database.query("delete from product_videos")
            #expect(try await store.startRemoval(left, holding: 60)?.deletesObject == true)
        }
    }

    @Test(arguments: TestDatabase.Way.allCases)
    func `whoever claims a video knows of each removal there is, however they meet`(way: TestDatabase.Way) async throws
    {
        try await TestDatabase.withStore(way) { test, store in
            var removals = 0
            for _ in 0..<40 {
                let (id, left) = try await Self.cancelled(test, store)
                async let removal = store.startRemoval(left, holding: 60)
                #expect(try await store.reset(id) == .changed)
                var claimed: Job?
                // A claim passes over a row that a removal has locked just then.
                for _ in 0..<100 where claimed == nil { claimed = try await store.claim(owner: "b", lease: 60) }
                let job = try #require(claimed)
                let isSeen = try await store.isBeingRemoved(id, key: left.key)
                if try await removal != nil {
                    removals += 1
                    #expect(isSeen)
                }
                #expect(try await store.complete(job, key: "k", url: "https://x/\(id)", report: nil))
            }
            #expect(removals > 0)
        }
    }

    @Test func `what was removed is removed once more after a minute, and forgotten then`() async throws {
        try await TestDatabase.withStore { test, store in
            let (_, left) = try await Self.cancelled(test, store)
            try await store.settled(try #require(try await store.startRemoval(left, holding: 60)))
            #expect(try await store.leftovers().isEmpty)
            #expect(try await store.startRemoval(left, holding: 60) == nil)
            try await test.passRemovals()
            let again = try #require(try await store.leftovers().first)
            #expect(again.key == left.key && again.deletesObject)
            try await store.settled(try #require(try await store.startRemoval(again, holding: 60)))
            #expect(try await test.database.query("select from reelway_objects").count == 0)
        }
    }

    @Test func `what couldn't be removed comes after what nobody has tried`() async throws {
        try await TestDatabase.withStore { test, store in
            let (_, first) = try await Self.cancelled(test, store)
            let (_, second) = try await Self.cancelled(test, store)
            #expect(try await store.leftovers(limit: 1) == [first])
            _ = try await store.startRemoval(first, holding: 0)
            #expect(try await store.leftovers(limit: 1) == [second])
        }
    }

    @Test func `leftovers are found by index, however many videos are ready`() async throws {
        try await TestDatabase.withStore { test, store in
            try await test.database.query(
                """
                with made as (
                    insert into product_videos (onedrive_file_id, social_ready_status, social_ready_url)
                    select 'item', 'ready', 'https://u' from generate_series(1, 20000) returning id
                )
                insert into reelway_objects (video_id, fence, key, finished) select id::text, 0, 'k', true from made
                """, timeout: .seconds(60))
            _ = try await Self.cancelled(test, store)
            try await test.database.query("analyze product_videos, reelway_objects", timeout: .seconds(60))
            #expect(try await store.leftovers().count == 1)
            let sql = try await store.leftoversStatement().replacing("$1", with: "100")
            let plan = try await test.database.query("explain \(sql)").rows.compactMap { $0["QUERY PLAN"] }
                .joined(separator: "\n")
            #expect(plan.contains("reelway_objects_unfinished") && !plan.contains("Seq Scan"), "\(plan)")
        }
    }

    @Test func `an upload whose id got lost is looked for once the video is ready, and its object stays`() async throws
    {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let job = try #require(try await store.claim(owner: "a", lease: 60))
            #expect(try await store.uploadStarted(job, key: "\(id)/k.mp4", uploadID: "known"))
            for _ in 0..<2 { #expect(try await store.uploadLost(job, key: "\(id)/k.mp4")) }
            #expect(try await store.leftovers().isEmpty)
            #expect(try await store.complete(job, key: "\(id)/k.mp4", url: "https://x/\(id)/k.mp4", report: nil))
            let left = try await store.leftovers()
            #expect(
                left.map(\.deletesObject) == [false] && left.map(\.isLast) == [true] && left.map(\.uploadID) == [nil])
            for leftover in left { try await store.settled(leftover) }
            #expect(try await store.leftovers().isEmpty)
            // What it made is still known.
            try await test.database.query("delete from product_videos")
            #expect(try await test.database.query("select from reelway_objects where finished").count == 1)
        }
    }

    /// Inserts a video that was cancelled after its object was announced; returns it and what is left of it.
    private static func cancelled(_ test: TestDatabase, _ store: JobStore) async throws -> (id: String, left: Leftover)
    {
        let id = try await test.insertVideo()
        let job = try #require(try await store.claim(owner: "a", lease: 60))
        #expect(try await store.uploadStarted(job, key: "\(id)/k.mp4", uploadID: nil))
        #expect(try await store.cancel(id) == .changed)
        let left = try await store.leftovers().first { $0.videoID == id }
        return (id, try #require(left))
    }

    @Test(arguments: TestDatabase.Way.allCases)
    func `a secret is replaced by one at a time, each given the last one's value`(way: TestDatabase.Way) async throws {
        try await TestDatabase.withStore(way) { test, store in
            #expect(try await Self.secret(test) == nil)
            let values = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<5 {
                    group.addTask {
                        try await store.replaceSecret("token", lease: 60) { old in
                            try await Task.sleep(for: .milliseconds(30))
                            return "\((Int(old ?? "0") ?? -100) + 1)"
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(values) == ["1", "2", "3", "4", "5"])
            #expect(try await Self.secret(test) == "5")
        }
    }

    @Test func `a secret whose replacement failed or whose replacer died is kept`() async throws {
        try await TestDatabase.withStore { test, store in
            _ = try await store.replaceSecret("token", lease: 60) { _ in "one" }
            struct Refused: Error {}
            await #expect(throws: Refused.self) {
                try await store.replaceSecret("token", lease: 60) { _ in throw Refused() }
            }
            #expect(try await Self.secret(test) == "one")
            try await test.database.query(
                "update reelway_secrets set lease_owner = 'dead', lease_until = now() + interval '1 s'")
            let error = await #expect(throws: PostgresError.self) {
                try await store.replaceSecret("token", lease: 60, patience: 0.1) { _ in "never" }
            }
            #expect(error?.kind == .unavailable)
            #expect(try await store.replaceSecret("token", lease: 60, patience: 10) { "\($0 ?? "") two" } == "one two")
        }
    }

    @Test func `a secret that was replaced after its turn is kept, unless another was faster`() async throws {
        try await TestDatabase.withStore { test, store in
            struct Refused: Error {}
            // The next one, whose turn it is meanwhile, is refused with the spent value and leaves.
            _ = try await store.replaceSecret("token", lease: 0.1) { _ in
                try await Task.sleep(for: .seconds(0.3))
                await #expect(throws: Refused.self) {
                    try await store.replaceSecret("token", lease: 60) { _ in throw Refused() }
                }
                return "one"
            }
            #expect(try await Self.secret(test) == "one")
            // Or is still at it: its turn stays its own.
            _ = try await store.replaceSecret("token", lease: 0.1) { _ in
                try await Task.sleep(for: .seconds(0.3))
                try await test.database.query(
                    "update reelway_secrets set lease_owner = 'next', lease_until = now() + interval '1 minute'")
                return "two"
            }
            #expect(try await Self.secret(test) == "two")
            let owner = try await test.database.query("select lease_owner from reelway_secrets").rows.first
            #expect(owner?["lease_owner"] == "next")
            try await test.database.query("update reelway_secrets set lease_until = now()")
            _ = try await store.replaceSecret("token", lease: 0.1) { _ in
                try await Task.sleep(for: .seconds(0.3))
                _ = try await store.replaceSecret("token", lease: 60) { _ in "faster" }
                return "late"
            }
            #expect(try await Self.secret(test) == "faster")
        }
    }

    @Test func `a secret is replaced although the database goes away before its turn and after`() async throws {
        try await OwnServer.with { server, test in
            var configuration = try Configuration(address: test.address)
            configuration.statementTimeout = .milliseconds(500)
            let store = JobStore(Database(configuration))
            @Sendable func comeBack() async throws {
                try await Task.sleep(for: .seconds(1.5))
                try await server.start()
            }
            try await server.stop()
            async let back: Void = comeBack()
            let value = try await store.replaceSecret("token", lease: 60) { _ in
                try await server.stop()
                Task { try await comeBack() }
                return "new"
            }
            try await back
            #expect(value == "new")
            #expect(try await Self.secret(test) == "new")
            await store.database.shutdown()
        }
    }

    /// What is stored under the name `token`.
    private static func secret(_ test: TestDatabase) async throws -> String? {
        try await test.database.query("select value from reelway_secrets where name = 'token'").rows.first?["value"]
    }
}
