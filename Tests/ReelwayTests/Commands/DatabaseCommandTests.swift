import Foundation
import Postgres
import Testing

@testable import reelway

@Suite(.enabled(if: TestDatabase.isThere))
struct DatabaseCommandTests {
    private func reelway(_ arguments: String..., on test: TestDatabase?) async throws -> Program.Result {
        try await Program.run(
            Program.reelway, arguments, environment: test.map { ["DATABASE_URL": $0.address] } ?? [:])
    }

    @Test func `migrate makes the tables once, and says what it does`() async throws {
        try await TestDatabase.with { test in
            let refused = try await reelway("migrate", on: test)
            #expect(refused.status == 69)
            #expect(refused.errors.contains("no table product_videos where Reelway looks (search_path)"))
            #expect(refused.errors.contains("reelway migrate --standalone"))
            let dry = try await reelway("migrate", "--standalone", "--dry-run", on: test)
            #expect(dry.status == 0)
            #expect(dry.output.contains("create table if not exists product_videos"))
            let first = try await reelway("migrate", "--standalone", on: test)
            #expect(first.status == 0)
            #expect(first.output.contains("applied 0001_columns"))
            let second = try await reelway("migrate", on: test)
            #expect(second.status == 0)
            #expect(second.output.contains("nothing to do"))
        }
    }

    @Test func `a video can be looked at, cancelled and retried`() async throws {
        try await TestDatabase.withStore { test, store in
            let id = try await test.insertVideo()
            let waiting = try await reelway("status", id, on: test)
            #expect(waiting.status == 0)
            #expect(waiting.output == "\(id): pending (queued)\n")
            let json = try await reelway("status", "--json", id, on: test)
            #expect(json.output.contains("\"social_ready_status\" : \"pending\""))
            #expect(try await reelway("cancel", id, on: test).status == 0)
            let cancelled = try await reelway("status", id, on: test)
            #expect(cancelled.output.hasPrefix("\(id): failed\nerror: cancelled: "))
            let again = try await reelway("cancel", id, on: test)
            #expect(again.status == 64)
            #expect(again.errors == "reelway: usage: \(id) is failed: there is nothing to cancel\n")
            let other = try await test.insertVideo()
            let retried = try await reelway("retry", id, "nobody", other, on: test)
            #expect(retried.status == 66)
            #expect(retried.output.contains("\(id): queued\n"))
            #expect(retried.output.contains("\(other): queued\n"))
            #expect(retried.errors == "reelway: input_not_found: there is no video nobody in product_videos\n")
            let job = try #require(try await store.claim(owner: "worker", lease: 60))
            #expect(try await store.progress(job, stage: "transcoding", fraction: 0.42, lease: 60))
            #expect(
                try await reelway("status", job.videoID, on: test).output.contains("processing (transcoding, 42 %)"))
            #expect(try await reelway("retry", job.videoID, on: test).status == 64)
            #expect(try await store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
            #expect(try await reelway("status", job.videoID, on: test).output.contains("url:   https://x/y.mp4"))
            for command in ["status", "cancel", "retry"] {
                let unknown = try await reelway(command, "nobody", on: test)
                #expect(unknown.status == 66, "\(command)")
            }
        }
    }

    @Test func `backfill queues what nobody has asked for, as many as wanted`() async throws {
        try await TestDatabase.withStore { test, store in
            for _ in 0..<5 { _ = try await test.insertVideo() }
            try await test.database.query("update product_videos set social_ready_next_attempt_at = null")
            #expect(try await reelway("backfill", "--limit", "2", on: test).output == "queued 2 videos\n")
            #expect(try await store.counts().due == 2)
            #expect(try await reelway("backfill", on: test).output == "queued 3 videos\n")
            #expect(try await reelway("backfill", on: test).output == "queued 0 videos\n")
            #expect(try await reelway("backfill", "--limit", "0", on: test).status == 64)
        }
    }

    @Test func `without a database each command says so in one line`() async throws {
        // At once, since each waits for its database for a while.
        try await withThrowingDiscardingTaskGroup { group in
            for arguments in [
                ["status", "x"], ["retry", "x"], ["cancel", "x"], ["backfill"], ["migrate"], ["serve"],
            ] {
                group.addTask { try await Self.expectOneLine(arguments) }
            }
        }
    }

    private static func expectOneLine(_ arguments: [String]) async throws {
        let unset = try await Program.run(Program.reelway, arguments, environment: ["LOG_LEVEL": "loud"])
        #expect(unset.status == 64, "\(arguments)")
        // All faults at once.
        #expect(unset.errors.contains("DATABASE_URL: ") && unset.errors.contains("LOG_LEVEL: "))
        #expect(unset.errors.split(separator: "\n").count == 1)
        let away = try await Program.run(
            Program.reelway, arguments, environment: ["DATABASE_URL": "postgres://u:planted-pw@127.0.0.1:1/x"])
        #expect(away.status == 69, "\(arguments) \(away.errors)")
        #expect(away.errors.hasPrefix("reelway: database_unavailable: "))
        #expect(away.errors.split(separator: "\n").count == 1)
        #expect(!away.errors.contains("planted-pw"))
        let broken = try await Program.run(
            Program.reelway, arguments, environment: ["DATABASE_URL": "postgres://u:planted-pw@[::bad/x"])
        #expect(broken.status == 64, "\(arguments)")
        #expect(!broken.errors.contains("planted-pw"))
    }
}
