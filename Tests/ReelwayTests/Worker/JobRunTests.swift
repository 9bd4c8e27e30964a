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

    @Test func `A read that is out of date ends no video`() async throws {
        try await Shop.with { shop in
            shop.drive.setFaults([Fault(.delay(seconds: 600), on: .item, times: Fault.always)])
            _ = try await shop.insert(Clips.small)
            let bench = try Bench(shop)
            try await bench.running { _ in
                // As a standby that hasn't heard of the claim answers whoever only reads.
                try await shop.test.database.transaction { transaction in
                    try await transaction.run(
                        script: """
                            alter table product_videos rename to current_videos;
                            create view product_videos as
                                select * from current_videos where current_query() not like 'select from%'
                            """)
                }
                try await Task.sleep(for: .seconds(2))
                #expect(!bench.log.text.contains("no longer this"))
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

    @Test func `What is counted as stored is what the store has`() async throws {
        try await Shop.with { shop in
            let id = try await shop.insert(Clips.small)
            let bench = try Bench(shop)
            try await bench.running { _ in try await shop.ready(id) }
            let stored = try await shop.fetch(try #require(try await shop.test.row(id)?["social_ready_url"])).count
            #expect(bench.metrics.text(queue: nil).contains("reelway_stored_bytes_total \(stored)\n"))
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

    @Test func `What became of a video is said as the database took it`() async throws {
        try await Shop.with { shop in
            shop.drive.setFaults([Fault(.delay(seconds: 600), on: .item, times: Fault.always)])
            let id = try await shop.insert(Clips.small)
            try await shop.test.refuse([.pending], of: id)
            let bench = try Bench(shop)
            let watch = JobWatch()
            try await bench.running(watch) { _ in
                watch.stop(.shutdown)
                try await shop.until("the worker is done", within: 20) {
                    bench.metrics.text(queue: nil).contains("reelway_running -1")
                }
            }
            #expect(!bench.log.text.contains("video is given back"))
            #expect(bench.metrics.text(queue: nil).contains("outcome=\"unwritten\"} 1"))
            #expect(bench.log.text.contains("lease has to run out"))
            #expect(try await shop.test.row(id)?["social_ready_status"] == "processing")
        }
    }

    @Test func `A result that the database refuses ends its video, and not the worker`() async throws {
        try await Shop.with(["REELWAY_CONCURRENCY": "1", "REELWAY_MAX_ATTEMPTS": "1"]) { shop in
            let refused = try await shop.insert(Clips.small)
            try await shop.test.refuse([.ready], of: refused)
            let bench = try Bench(shop)
            try await Self.working(bench) {
                let next = try await shop.insert(Clips.small)
                try await shop.ready(next, within: 25)
                let row = try #require(try await shop.test.row(refused))
                #expect(row["social_ready_status"] == "failed")
                let error = row["social_ready_error"] as String? ?? ""
                #expect(error.hasPrefix("internal: the database refused the result: "), "\(error)")
                #expect(error.contains("not on a Sunday"), "\(error)")
            }
        }
    }

    @Test func `A video whose end the database refuses altogether is let go of`() async throws {
        try await Shop.with(["REELWAY_CONCURRENCY": "1", "REELWAY_LEASE_SECONDS": "30"]) { shop in
            let refused = try await shop.insert(Clips.small)
            try await shop.test.refuse([.ready, .pending, .failed], of: refused)
            let bench = try Bench(shop)
            try await Self.working(bench) {
                let next = try await shop.insert(Clips.small)
                try await shop.ready(next, within: 25)
                #expect(bench.log.text.contains("lease has to run out"))
            }
        }
    }

    /// Lets a worker work, and tells it to stop.
    private static func working(_ bench: Bench, _ body: () async throws -> Void) async throws {
        let running = Task { try await bench.worker().run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        running.cancel()
        bench.objects.letGo()
        try await running.value
        try result.get()
    }

    @Test func `A video whose thread hangs is given up, and takes its place from no other until the thread ends`()
        async throws
    {
        let settings = ["REELWAY_CONCURRENCY": "2", "REELWAY_MAX_ATTEMPTS": "1", "REELWAY_STALL_SECONDS": "3"]
        try await Shop.with(settings) { shop in
            let bench = try Bench(shop, hangs: 1)
            let hung = try await shop.insert(Clips.small)
            try await Self.working(bench) {
                let row = try await shop.wait(hung, within: 20) { $0["social_ready_status"] == "failed" }
                let error = row["social_ready_error"] as String? ?? ""
                #expect(error.hasPrefix("internal: the codecs hung"), "\(error)")
                let told = bench.log.text.split(separator: "\n").filter {
                    $0.hasPrefix("error the video's thread hangs")
                }
                #expect(told.count == 1 && told.first?.contains(hung) == true, "\(bench.log.text)")
                for _ in 0..<2 { try await shop.ready(try await shop.insert(Clips.small)) }
                #expect(bench.metrics.text(queue: nil).contains("\nreelway_hung 1\n"))
                bench.objects.letGo()
                try await shop.until("its place is free again", within: 20) {
                    bench.metrics.text(queue: nil).contains("\nreelway_hung 0\n")
                }
                #expect(try await shop.test.row(hung)?["social_ready_status"] == "failed")
            }
        }
    }

    @Test func `A worker all of whose places are taken by threads that hang ends`() async throws {
        let settings = ["REELWAY_CONCURRENCY": "2", "REELWAY_STALL_SECONDS": "3", "REELWAY_RETRY_BASE_SECONDS": "0.1"]
        try await Shop.with(settings) { shop in
            let bench = try Bench(shop, hangs: .max)
            for _ in 0..<3 { _ = try await shop.insert(Clips.small) }
            let running = Task { try await bench.worker().run() }
            let ended = Task { await running.result }
            let isOver = Counter()
            Task {
                _ = await ended.value
                isOver.count()
            }
            let result: Result<Void, any Error>
            do {
                result = .success(try await shop.until("the worker has ended", within: 30) { isOver.value > 0 })
            } catch {
                result = .failure(error)
            }
            #expect(bench.objects.hung.count == 2)
            running.cancel()
            bench.objects.letGo()
            try result.get()
            await #expect(throws: Failure.self) { try await ended.value.get() }
        }
    }

    @Test func `A thread that hangs keeps no worker from stopping, and its video is given back uncounted`() async throws
    {
        try await Shop.with { shop in
            let bench = try Bench(shop, hangs: 1)
            let id = try await shop.insert(Clips.small)
            let watch = JobWatch()
            try await bench.running(watch) { _ in
                try await shop.until("its thread hangs") { !bench.objects.hung.isEmpty }
                watch.stop(.shutdown)
                let row = try await shop.wait(id, within: 10) { $0["social_ready_status"] == "pending" }
                #expect(row["social_ready_attempts"] == "0")
                #expect(bench.log.text.contains("video is given back"))
            }
        }
    }
}
