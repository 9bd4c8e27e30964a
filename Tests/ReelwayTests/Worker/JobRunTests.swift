import Foundation
import Media
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

/// What one video's row is told, and when; in this process.
@Suite(.enabled(if: Shop.isThere), .serialized)
struct JobRunTests {
    @Test func `A video that only waits is written to keep its lease, and no more often than that takes`() async throws
    {
        try await Shop.with(["REELWAY_LEASE_SECONDS": "60"]) { shop in
            shop.drive.setFaults([Fault(.delay(seconds: 600), on: .item, times: Fault.always)])
            let id = try await shop.insert(Clips.small)
            let bench = try Bench(shop)
            try await bench.running { _ in
                let writes = try await shop.test.countWrites()
                try await Task.sleep(for: .seconds(4))
                #expect(try await writes() == 0)
                _ = try await bench.store.cancel(id)
                try await shop.until("the worker notices", within: 5) { bench.log.text.contains("no longer this") }
            }
        }
    }

    @Test func `A short lease never runs out while its video is worked on`() async throws {
        try await Shop.with(["REELWAY_LEASE_SECONDS": "4"]) { shop in
            shop.drive.setFaults([Fault(.delay(seconds: 600), on: .item, times: Fault.always)])
            _ = try await shop.insert(Clips.small)
            try await Bench(shop).running { _ in
                let writes = try await shop.test.countWrites()
                let end = ContinuousClock.now + .seconds(6)
                while ContinuousClock.now < end {
                    let row = try await shop.test.database.query(
                        "select extract(epoch from social_ready_lease_until - now())::float8 as left from product_videos"
                    ).rows.first
                    // A quarter of it and two looks, and the rest is for a machine that does much else.
                    #expect(try row?.decode(Double.self, "left") ?? 0 > 1)
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect((3...6).contains(try await writes()))
            }
        }
    }

    @Test func `Progress is written when it has grown by a hundredth, or another stage has begun`() async throws {
        try await Shop.with(["REELWAY_LEASE_SECONDS": "60"]) { shop in
            let id = try await shop.insert(Clips.small)
            let bench = try Bench(shop, hangs: 1)
            let watch = JobWatch()
            try await bench.running(watch) { _ in
                try await shop.until("its thread reports nothing more") { !bench.objects.hung.isEmpty }
                watch.report(try Self.progress(.transcoding, 0.5))
                try await shop.wait(id, within: 5) { $0["social_ready_progress"] == "0.5" }
                let writes = try await shop.test.countWrites()
                for step in 1...45 {
                    watch.report(try Self.progress(.transcoding, 0.5 + Double(step) / 2000))
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect((1...2).contains(try await writes()))
                watch.report(try Self.progress(.uploading, 0.5226))
                try await shop.wait(id, within: 5) { $0["social_ready_stage"] == "uploading" }
            }
        }
    }

    /// Its memberwise initializer is the engine's own.
    private static func progress(_ stage: Media.Progress.Stage, _ fraction: Double) throws -> Media.Progress {
        let bytes = Int64(fraction * 1e6)
        return try JSONDecoder().decode(
            Media.Progress.self,
            from: Data(
                "{\"stage\":\"\(stage.rawValue)\",\"progress\":\(fraction),\"speed\":1,\"bytesIn\":\(bytes),\"bytesOut\":0}"
                    .utf8))
    }
}
