import Foundation
import LoopbackHTTP
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
    @Test(arguments: [Clips.small, Clips.large, Clips.changing])
    func `A listed video becomes ready, and its address serves a conforming MP4`(clip: String) async throws {
        try await Shop.with { shop in
            let worker = try shop.worker()
            let id = try await shop.insert(clip)
            let row = try await shop.ready(id)
            let url = try #require(row["social_ready_url"] as String?)
            let folder = try TestFolder()
            let result = try await shop.fetch(url)
            try folder.write("result.mp4", Data(result))
            let inspection = try Inspection(FileSource(path: folder.path + "/result.mp4"), options: .init())
            #expect(inspection.conformance?.ready == true)
            #expect(try await shop.objects(of: id).count == 1)
            #expect(try await shop.openUploads(of: id) == 0)
            let report = try #require(row["social_ready_report"] as String?)
            let told = try JSONDecoder().decode(Report.self, from: Data(report.utf8))
            #expect(told.input?.quickXorHash != nil)
            #expect(told.output?.location == url)
            #expect(told.output?.bytes == Int64(result.count))
            #expect(told.output?.sha256 == SignatureV4.sha256(result))
            #expect(!report.contains("tempauth"))
            worker.signal(SIGTERM)
            let end = try await worker.end(within: 20)
            #expect(end.status == 0, "\(end.errors)")
        }
    }

    @Test func `What a video took is let go of at its end`() async throws {
        try await Shop.with { shop in
            let bench = try Bench(shop)
            let id = try await shop.insert(Clips.small)
            let job = try #require(try await bench.store.claim(owner: "this", lease: 60))
            weak var left: JobWatch?
            do {
                let watch = JobWatch()
                left = watch
                _ = await bench.run(job, watch: watch).run()
            }
            try await shop.ready(id)
            try await shop.until("nothing holds the video any more", within: 10) { left == nil }
        }
    }

    @Test func `A worker whose task is cancelled gives its video back, uncounted`() async throws {
        try await Shop.with { shop in
            let worker = try Bench(shop).worker()
            shop.drive.setFaults([Fault(.delay(seconds: 600), on: .item, times: Fault.always)])
            let id = try await shop.insert(Clips.small)
            let running = Task { try await worker.run() }
            try await shop.until("the video is under way") {
                shop.drive.requests.contains { $0.fault == "delay" && $0.outcome == .open }
            }
            running.cancel()
            try await running.value
            let row = try #require(try await shop.test.row(id))
            #expect(row["social_ready_status"] == "pending" && row["social_ready_attempts"] == "0")
        }
    }

    @Test(arguments: [Stage.uploading, .beforeComplete])
    func `A cancelled video ends at once and leaves nothing in the store`(stage: Stage) async throws {
        try await Shop.with { shop in
            try await stage.hold(shop) { held in
                _ = try await JobStore(shop.test.database).cancel(held.id)
                // A second is what is meant; the rest is for a machine that does much else.
                try await held.noticesLoss(within: 10)
                try await shop.sweep()
                #expect(try await shop.objects(of: held.id).isEmpty)
                #expect(try await shop.openUploads(of: held.id) == 0)
                let row = try await shop.wait(held.id) { $0["social_ready_status"] == "failed" }
                #expect((row["social_ready_error"] as String?)?.hasPrefix("cancelled") == true)
                held.worker.signal(SIGTERM)
                #expect(try await held.worker.end(within: 20).status == 0)
            }
        }
    }

    @Test func `A worker told to stop gives an unfinished video back, unharmed and uncounted`() async throws {
        try await Shop.with(["REELWAY_GRACE_SECONDS": "0.5"]) { shop in
            try await Stage.uploading.hold(shop) { held in
                held.worker.signal(SIGTERM)
                #expect(try await held.worker.end(within: 20).status == 0, "\(held.worker.errors)")
                let row = try #require(try await shop.test.row(held.id))
                #expect(row["social_ready_status"] == "pending")
                #expect(row["social_ready_attempts"] == "0")
                #expect(try await shop.objects(of: held.id).isEmpty)
                let next = try shop.worker()
                try await shop.expectOneResult(try await shop.ready(held.id))
                next.signal(SIGTERM)
                _ = try await next.end(within: 20)
            }
        }
    }

    @Test func `A source that is away for a while is tried again, and one that hangs is noticed`() async throws {
        try await Shop.with(["REELWAY_STALL_SECONDS": "2", "REELWAY_RETRY_BASE_SECONDS": "2"]) { shop in
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

    @Test(
        arguments: [nil, .part(2, .stall(atByte: 1 << 20, seconds: 60)), .complete(.delay(seconds: 60))]
            as [StorageFault?])
    func `A source or a store that stalls once is gone on with before the video counts as hung`(
        fault: StorageFault?
    ) async throws {
        try await Shop.with(["REELWAY_STALL_SECONDS": "20", "REELWAY_MAX_ATTEMPTS": "1"]) { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            if let fault { proxy.setFaults([fault]) } else { shop.drive.script(Fault(.stall(at: 0, seconds: 60))) }
            let worker = try shop.worker(["S3_ENDPOINT": proxy.url])
            // A third of it for the source, half for the store, and the work.
            try await shop.ready(try await shop.insert(Clips.large), within: 18)
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
            await proxy.stop()
        }
    }

    @Test func `A line on which a part takes longer than silence may last is no hang`() async throws {
        try await Shop.with(["REELWAY_STALL_SECONDS": "60"]) { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            // Two parts at a time share it, so that none is confirmed for 13 s.
            proxy.setBandwidth(up: .init(total: 8e5))
            var bench = try Bench(shop, ["S3_ENDPOINT": proxy.url])
            // What the proxy has taken and not yet passed on may keep a connection quiet for longer than the job.
            bench.settings.stallSeconds = 4
            let id = try await shop.insert(Clips.large)
            let job = try #require(try await bench.store.claim(owner: "this", lease: 60))
            _ = await bench.run(job, watch: JobWatch()).run()
            let row = try #require(try await shop.test.row(id))
            #expect(row["social_ready_status"] == "ready", "\(row["social_ready_error"] ?? "")")
            await proxy.stop()
        }
    }

    @Test(arguments: [true, false])
    func `A video rests for as long as its source or its store asks for`(isSource: Bool) async throws {
        try await Shop.with { shop in
            try await (isSource ? Stage.claimed : .opened).hold(shop) { held in
                held.drive.setFaults([
                    Fault(.status(code: 429, retryAfter: 120), on: .download, times: isSource ? Fault.always : 0)
                ])
                held.proxy.setFaults([
                    .part(nil, .refuse(.s3(503, retryAfter: 120)), times: isSource ? 0 : StorageFault.always)
                ])
                let row = try await shop.wait(held.id) { ($0["social_ready_error"] as String?) != nil }
                let error = row["social_ready_error"] as String? ?? ""
                #expect(error.hasPrefix(isSource ? "source_throttled: " : "storage_unavailable: "), "\(error)")
                let rest = try await shop.test.database.query(
                    "select extract(epoch from social_ready_next_attempt_at - now())::float8 as seconds from product_videos"
                ).rows.first?["seconds"].flatMap(Double.init)
                #expect((60...130).contains(rest ?? 0))
                held.worker.signal(SIGTERM)
                #expect(try await held.worker.end(within: 20).status == 0)
            }
        }
    }

    @Test func `A source that asks for a rest in mid-way gets it, and nothing is done twice for that`() async throws {
        try await Shop.with(["REELWAY_STALL_SECONDS": "3", "REELWAY_MAX_ATTEMPTS": "1"]) { shop in
            shop.drive.setFaults([Fault(.status(code: 429, retryAfter: 6), on: .download, skip: 3)])
            let worker = try shop.worker()
            try await shop.ready(try await shop.insert(Clips.large), within: 30)
            #expect(shop.drive.downloadRequests.contains { $0.status == 429 })
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
        }
    }

    @Test(arguments: [Clips.small, Clips.large])
    func `A store that asks for a rest in mid-way gets it, and nothing is done twice for that`(clip: String)
        async throws
    {
        try await Shop.with(["REELWAY_STALL_SECONDS": "3", "REELWAY_MAX_ATTEMPTS": "1"]) { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            let busy = StorageFault.Action.refuse(.s3(503, code: "SlowDown", retryAfter: 6))
            proxy.setFaults([clip == Clips.small ? .put(busy) : .part(2, busy)])
            let worker = try shop.worker(["S3_ENDPOINT": proxy.url])
            try await shop.ready(try await shop.insert(clip), within: 40)
            #expect(proxy.requests.contains { $0.status == 503 })
            worker.signal(SIGTERM)
            _ = try await worker.end(within: 20)
            await proxy.stop()
        }
    }

    @Test func `What requests wait for in the database keeps no video waiting`() async throws {
        try await Shop.with { shop in
            let service = try shop.service(["PORT": "0", "STORAGE_PUBLIC_URL": shop.store.publicURL(key: "")])
            let port = try await service.port()
            let looked = try await shop.insert(Clips.small)
            try await shop.ready(looked)
            // Whoever looks at a video waits for longer than a statement may take.
            try await shop.test.database.transaction { transaction in
                try await transaction.run(
                    script: """
                        alter table product_videos rename to videos;
                        create view product_videos as select * from videos
                            where current_query() not like '%json_build_object%' or pg_sleep(60) is null
                        """)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        while !Task.isCancelled {
                            _ = try? await HTTPConnection.with(port: port) {
                                try await $0.request("GET", "/videos/\(looked)")
                            }
                        }
                    }
                }
                try await shop.until("all connections of the requests are taken", within: 10) {
                    try await shop.test.database.query(
                        "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
                    ).count == 4
                }
                let id = try await shop.insert(Clips.small)
                try await shop.wait(id, within: 20) { $0["social_ready_status"] == "ready" }
                #expect(try await shop.test.row(id)?["social_ready_fence"] == "1")
                group.cancelAll()
            }
            service.signal(SIGTERM)
            _ = try await service.end(within: 60)
        }
    }

    @Test func `Two replicas of the service finish a queue without doing a video twice, however often it is asked for`()
        async throws
    {
        let settings = ["REELWAY_CONCURRENCY": "1", "PORT": "0"]
        try await Shop.with(settings) { shop in
            // Each takes one video and waits with it, so that both have a part of the queue.
            shop.drive.setFaults([Fault(.delay(seconds: 600), on: .item, times: Fault.always)])
            let replicas = try [0, 1].map { _ in try shop.service() }
            var ports: [Int] = []
            for replica in replicas { ports.append(try await replica.port()) }
            var ids: [String] = []
            for _ in 0..<6 { ids.append(try await shop.insert(Clips.foreign)) }
            let owners = { @Sendable in
                try await shop.test.database.query(
                    "select distinct social_ready_lease_owner from product_videos where social_ready_status = 'processing'"
                ).rows.count
            }
            try await shop.until("both replicas have a video") { try await owners() == 2 }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for turn in 0..<100 {
                    let (port, id) = (ports[turn % 2], ids[turn % 3 == 0 ? turn % ids.count : 0])
                    group.addTask {
                        try await HTTPConnection.with(port: port) { connection in
                            try await connection.request("POST", "/transcode", body: "{\"videoId\":\"\(id)\"}").status
                        }
                    }
                }
                for try await status in group { #expect([200, 202].contains(status)) }
            }
            shop.drive.setFaults([])
            for id in ids {
                let row = try await shop.ready(id)
                #expect(row["social_ready_attempts"] == "1")
                #expect(row["social_ready_fence"] == "1")
                try await shop.expectOneResult(row)
            }
            for replica in replicas {
                #expect(replica.errors.contains("video is ready"))
                replica.signal(SIGTERM)
                #expect(try await replica.end(within: 20).status == 0)
            }
        }
    }

    @Test func `A video that kills its workers ends as failed`() async throws {
        try await Shop.with(["REELWAY_MAX_ATTEMPTS": "2", "REELWAY_LEASE_SECONDS": "2"]) { shop in
            shop.drive.setBandwidth(total: 5e5)
            let id = try await shop.insert(Clips.large)
            for _ in 0..<2 {
                let worker = try shop.worker()
                try await worker.says("video taken")
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
            try await worker.says("removed what was left")
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
            try await worker.says("removed what was left")
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
