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
            #expect(try await store.complete(next, url: "https://x/\(id)/a.mp4", report: nil))
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
                #expect(try await store.complete(job, url: "https://x/\(id)/\(key).mp4", report: nil))
                if number == 0 { #expect(try await store.reset(id) == .changed) }
            }
            let left = try await store.leftovers()
            #expect(left.map(\.key) == ["\(id)/old.mp4"] && left.map(\.deletesObject) == [true])
            try await store.settled(left[0])
            #expect(try await store.leftovers().isEmpty)
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

    @Test(arguments: TestDatabase.Way.allCases)
    func `a secret is replaced by one at a time, each given the last one's value`(way: TestDatabase.Way) async throws {
        try await TestDatabase.withStore(way) { test, store in
            #expect(try await Self.secret(test) == nil)
            let values = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<5 {
                    group.addTask {
                        try await store.replaceSecret("token") { old in
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
            _ = try await store.replaceSecret("token") { _ in "one" }
            struct Refused: Error {}
            await #expect(throws: Refused.self) { try await store.replaceSecret("token") { _ in throw Refused() } }
            #expect(try await Self.secret(test) == "one")
            try await test.database.query(
                "update reelway_secrets set lease_owner = 'dead', lease_until = now() + interval '1 s'")
            let error = await #expect(throws: PostgresError.self) {
                try await store.replaceSecret("token", patience: 0.1) { _ in "never" }
            }
            #expect(error?.kind == .unavailable)
            #expect(try await store.replaceSecret("token", patience: 10) { "\($0 ?? "") two" } == "one two")
        }
    }

    @Test func `a secret that was replaced after its turn is kept, unless another was faster`() async throws {
        try await TestDatabase.withStore { test, store in
            struct Refused: Error {}
            // The next one, whose turn it is meanwhile, is refused with the spent value and leaves.
            _ = try await store.replaceSecret("token", lease: 0.1) { _ in
                try await Task.sleep(for: .seconds(0.3))
                await #expect(throws: Refused.self) {
                    try await store.replaceSecret("token") { _ in throw Refused() }
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
                _ = try await store.replaceSecret("token") { _ in "faster" }
                return "late"
            }
            #expect(try await Self.secret(test) == "faster")
        }
    }

    /// What is stored under the name `token`.
    private static func secret(_ test: TestDatabase) async throws -> String? {
        try await test.database.query("select value from reelway_secrets where name = 'token'").rows.first?["value"]
    }
}
