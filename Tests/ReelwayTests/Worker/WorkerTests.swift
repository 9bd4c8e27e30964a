import Foundation
import Media
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

/// Workers as processes of their own, on a real database and a real store, killed and stopped as machines do it.
@Suite(.enabled(if: Shop.isThere), .serialized)
struct WorkerTests {
    @Test(arguments: [Clips.small, Clips.large])
    func `A listed video becomes ready, and its address serves a conforming MP4`(clip: String) async throws {
        try await Shop.with { shop in
            let worker = try shop.worker()
            let id = try await shop.insert(clip)
            let row = try await shop.ready(id)
            let url = try #require(row["social_ready_url"] as String?)
            let folder = try TestFolder()
            try folder.write("result.mp4", Data(try await shop.fetch(url)))
            let inspection = try Inspection(FileSource(path: folder.path + "/result.mp4"), options: .init())
            #expect(inspection.conformance?.ready == true)
            #expect(try await shop.objects(of: id).count == 1)
            #expect(try await shop.openUploads(of: id) == 0)
            let report = try #require(row["social_ready_report"] as String?)
            #expect(report.contains("\"quickXorHash\""))
            #expect(!report.contains("tempauth"))
            worker.signal(SIGTERM)
            let end = try await worker.end(within: 20)
            #expect(end.status == 0, "\(end.errors)")
        }
    }

    @Test(arguments: ["taken", "downloading", "near its end"])
    func `A worker killed while a video is so far leaves it to another, which finishes it once`(stage: String)
        async throws
    {
        try await Shop.with { shop in
            shop.drive.setBandwidth(total: 2e6)
            let id = try await shop.insert(Clips.large)
            let first = try shop.worker()
            switch stage {
            case "taken": try await shop.wait(id) { $0["social_ready_status"] == "processing" }
            case "downloading":
                try await shop.wait(id) { (Double($0["social_ready_progress"] ?? "") ?? 0) > 0.3 }
            default:
                try await shop.wait(id) { (Double($0["social_ready_progress"] ?? "") ?? 0) > 0.85 }
            }
            first.signal(SIGKILL)
            _ = try await first.end()
            shop.drive.setBandwidth()
            let second = try shop.worker()
            let row = try await shop.ready(id)
            #expect(row["social_ready_attempts"] == "2")
            #expect(try await shop.objects(of: id).count == 1)
            // The dead worker's upload is found by its row and ended.
            try await Task.sleep(for: .seconds(2))
            #expect(try await shop.openUploads(of: id) == 0)
            second.signal(SIGTERM)
            #expect(try await second.end(within: 20).status == 0)
        }
    }

    @Test func `A worker that slept through its lease can't overwrite the new owner's result`() async throws {
        try await Shop.with { shop in
            shop.drive.setBandwidth(total: 6e6)
            let id = try await shop.insert(Clips.large)
            let sleeper = try shop.worker()
            try await shop.wait(id) { (Double($0["social_ready_progress"] ?? "") ?? 0) > 0.2 }
            sleeper.signal(SIGSTOP)
            shop.drive.setBandwidth()
            let other = try shop.worker()
            let row = try await shop.ready(id)
            let fence = row["social_ready_fence"] as String?
            sleeper.signal(SIGCONT)
            try await Task.sleep(for: .seconds(4))
            let after = try await shop.ready(id)
            #expect(after["social_ready_fence"] as String? == fence)
            #expect(try await shop.objects(of: id).count == 1)
            #expect(try await shop.openUploads(of: id) == 0)
            #expect(sleeper.errors.contains("no longer this worker's") || sleeper.errors.contains("another worker"))
            for worker in [sleeper, other] {
                worker.signal(SIGTERM)
                #expect(try await worker.end(within: 20).status == 0)
            }
        }
    }

    @Test func `A cancelled video ends within a second and leaves nothing in the store`() async throws {
        try await Shop.with { shop in
            shop.drive.setBandwidth(total: 4e6)
            let id = try await shop.insert(Clips.large)
            let worker = try shop.worker()
            try await shop.wait(id) { (Double($0["social_ready_progress"] ?? "") ?? 0) > 0.4 }
            _ = try await JobStore(shop.test.database).cancel(id)
            let start = ContinuousClock.now
            while !worker.errors.contains("no longer this worker's") {
                try await Task.sleep(for: .milliseconds(20))
                try #require(start.duration(to: .now) < .seconds(5))
            }
            #expect(start.duration(to: .now) < .seconds(1.2))
            try await Task.sleep(for: .seconds(2))
            #expect(try await shop.objects(of: id).isEmpty)
            #expect(try await shop.openUploads(of: id) == 0)
            let row = try await shop.wait(id) { $0["social_ready_status"] == "failed" }
            #expect((row["social_ready_error"] as String?)?.hasPrefix("cancelled") == true)
        }
    }

    @Test func `A worker told to stop gives an unfinished video back, unharmed and uncounted`() async throws {
        try await Shop.with(["REELWAY_GRACE_SECONDS": "0.5"]) { shop in
            shop.drive.setBandwidth(total: 2e6)
            let id = try await shop.insert(Clips.large)
            let worker = try shop.worker()
            try await shop.wait(id) { (Double($0["social_ready_progress"] ?? "") ?? 0) > 0.1 }
            worker.signal(SIGTERM)
            #expect(try await worker.end(within: 20).status == 0, "\(worker.errors)")
            let row = try #require(try await shop.test.row(id))
            #expect(row["social_ready_status"] == "pending")
            #expect(row["social_ready_attempts"] == "0")
            #expect(try await shop.objects(of: id).isEmpty)
            shop.drive.setBandwidth()
            let next = try shop.worker()
            try await shop.ready(id)
            #expect(try await shop.openUploads(of: id) == 0)
            next.signal(SIGTERM)
            _ = try await next.end(within: 20)
        }
    }

    @Test func `A source that is away for a while is tried again, and one that hangs is noticed`() async throws {
        try await Shop.with(["REELWAY_STALL_SECONDS": "2"]) { shop in
            shop.drive.script(Fault(.stall(at: 300_000, seconds: 30), times: 30))
            let id = try await shop.insert(Clips.small)
            let worker = try shop.worker()
            let waiting = try await shop.wait(id) { ($0["social_ready_error"] as String?) != nil }
            #expect((waiting["social_ready_error"] as String?)?.hasPrefix("source_unavailable") == true)
            shop.drive.setFaults([])
            try await shop.ready(id)
            #expect(try await shop.objects(of: id).count == 1)
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
        }
    }

    @Test func `Two workers finish a queue without doing a video twice`() async throws {
        try await Shop.with { shop in
            var ids: [String] = []
            for _ in 0..<8 { ids.append(try await shop.insert(Clips.small)) }
            let workers = [try shop.worker(), try shop.worker()]
            for id in ids {
                let row = try await shop.ready(id)
                #expect(row["social_ready_attempts"] == "1")
                #expect(row["social_ready_fence"] == "1")
            }
            for id in ids { #expect(try await shop.objects(of: id).count == 1) }
            for worker in workers {
                #expect(worker.errors.contains("video is ready"))
                worker.signal(SIGTERM)
                _ = try await worker.end(within: 20)
            }
        }
    }

    @Test func `A video that kills its workers ends as failed`() async throws {
        try await Shop.with(["REELWAY_MAX_ATTEMPTS": "2", "REELWAY_LEASE_SECONDS": "2"]) { shop in
            shop.drive.setBandwidth(total: 5e5)
            let id = try await shop.insert(Clips.large)
            for _ in 0..<2 {
                let worker = try shop.worker()
                try await shop.wait(id) {
                    $0["social_ready_status"] == "processing"
                        && worker.errors.contains("video taken")
                }
                worker.signal(SIGKILL)
                _ = try await worker.end()
            }
            let last = try shop.worker()
            let row = try await shop.wait(id) { $0["social_ready_status"] == "failed" }
            #expect((row["social_ready_error"] as String?)?.contains("2 attempts") == true)
            last.signal(SIGTERM)
            _ = try await last.end(within: 20)
        }
    }
}
