import Foundation
import Media
import OneDriveSandbox
import Postgres
import StorageFaults
import Testing
import Transfer

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

    @Test func `A database that is away while a video is done neither loses nor repeats the work`() async throws {
        try await OwnServer.with { server, test in
            try await Shop.with(["REELWAY_STALL_SECONDS": "3"], on: test) { shop in
                shop.drive.setBandwidth(total: 5e6)
                let id = try await shop.insert(Clips.large)
                let worker = try shop.worker()
                try await shop.wait(id) { (Double($0["social_ready_progress"] ?? "") ?? 0) > 0.3 }
                try await server.stop()
                // Longer than the rest of the work, the lease, the patience with what doesn't move, and twice that with
                // a single statement.
                try await Task.sleep(for: .seconds(25))
                try await server.start()
                let row = try await shop.ready(id)
                #expect(row["social_ready_attempts"] == "1", "\(worker.errors)")
                #expect(try await shop.objects(of: id).count == 1)
                #expect(try await shop.openUploads(of: id) == 0)
                worker.signal(SIGTERM)
                #expect(try await worker.end(within: 20).status == 0)
            }
        }
    }

    @Test func `An upload that no row names is ended with what else its dead worker left`() async throws {
        try await Shop.with { shop in
            let id = try await shop.insert(Clips.small)
            let store = JobStore(shop.test.database)
            let job = try #require(try await store.claim(owner: "dead", lease: 60))
            let key = "\(id)/0123456789ab.mp4"
            #expect(try await store.uploadStarted(job, key: key, uploadID: nil))
            let upload = try shop.store.upload(key: key, onEvent: { _ in })
            try await JobThread.run(named: "upload") {
                for _ in 0..<3 { try upload.write([UInt8](repeating: 7, count: 5 << 20), headLength: 5 << 20) }
            }
            _ = try await store.cancel(id)
            let worker = try shop.worker()
            let deadline = ContinuousClock.now + .seconds(10)
            while !worker.errors.contains("removed what was left"), ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await shop.openUploads(of: id) == 0)
            upload.abort()
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
        }
    }

    @Test func `What can't be removed doesn't keep the rest in the store`() async throws {
        try await Shop.with { shop in
            let store = JobStore(shop.test.database)
            var keys: [String] = []
            for name in ["first", "second"] {
                let id = try await shop.insert(Clips.small)
                let key = "\(id)/\(name).mp4"
                let job = try #require(try await store.claim(owner: "dead", lease: 60))
                #expect(try await store.uploadStarted(job, key: key, uploadID: nil))
                try await JobThread.run(named: "put") {
                    try shop.store.upload(key: key, onEvent: { _ in }).finish(head: [1, 2, 3])
                }
                _ = try await store.cancel(id)
                keys.append(key)
            }
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            proxy.setFaults([
                StorageFault(.refuse(.s3(403)), method: "DELETE", path: "/shop/\(keys[0])", times: .max)
            ])
            let worker = try shop.worker(["S3_ENDPOINT": proxy.url])
            let deadline = ContinuousClock.now + .seconds(10)
            while !worker.errors.contains("removed what was left"), ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            }
            for (key, isThere) in zip(keys, [true, false]) {
                let found = try await JobThread.run(named: "head") {
                    try shop.store.head(key: key, isCancelled: { false })
                }
                #expect((found != nil) == isThere, "\(worker.errors)")
            }
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
            await proxy.stop()
        }
    }
}
