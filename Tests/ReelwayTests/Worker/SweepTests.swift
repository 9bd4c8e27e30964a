import Foundation
import LoopbackHTTP
import Postgres
import StorageFaults
import Testing
import Transfer

@testable import reelway

/// What is removed from a store that is slow, and when.
@Suite(.enabled(if: Shop.isThere), .serialized)
struct SweepTests {
    @Test func `A video that became ready while others were removed keeps its object`() async throws {
        try await Shop.with { shop in
            let store = JobStore(shop.test.database)
            let first = try await Self.leave(in: shop, store)
            let second = try await shop.insert(Clips.small)
            let maker = try shop.worker()
            try await shop.ready(second)
            maker.signal(SIGTERM)
            #expect(try await maker.end(within: 20).status == 0)
            // As a store that was away leaves it: an object is there, and the row that failed doesn't name it.
            try await shop.test.database.query("update reelway_objects set finished = false")
            try await shop.test.database.query(
                "update product_videos set social_ready_status = 'failed', social_ready_url = null where id::text = $1",
                second)
            _ = try await store.cancel(first)
            #expect(try await store.leftovers().map(\.videoID) == [first, second])
            try await Self.hang(shop, first) { worker, proxy in
                _ = try await store.trigger(second)
                let row = try await shop.ready(second)
                proxy.setFaults([])
                try await shop.expectOneResult(row)
                worker.signal(SIGTERM)
                #expect(try await worker.end(within: 20).status == 0)
            }
        }
    }

    /// Before the removal is given up, and after: what waits for it then waits for longer than a standstill may last.
    @Test(arguments: [(4, 30), (8, 5)])
    func `A video asked for while its old object is being deleted keeps the new one, whenever the deletion arrives`(
        seconds: Double, stall: Int
    ) async throws {
        try await Shop.with(["REELWAY_STALL_SECONDS": "\(stall)"]) { shop in
            let store = JobStore(shop.test.database)
            let id = try await shop.insert(Clips.small)
            let maker = try shop.worker()
            try await shop.ready(id)
            maker.signal(SIGTERM)
            #expect(try await maker.end(within: 20).status == 0)
            // As a cancel leaves it that came between the object and the row's last write.
            try await shop.test.database.query("update reelway_objects set finished = false")
            try await shop.test.database.query(
                "update product_videos set social_ready_status = 'failed', social_ready_url = null")
            try await Self.hang(shop, id, seconds: seconds) { worker, proxy in
                #expect(try await store.reset(id) == .changed)
                let row = try await shop.ready(id)
                #expect(row["social_ready_attempts"] == "1")
                try await shop.settle(proxy)
                try await shop.expectOneResult(row)
                worker.signal(SIGTERM)
                #expect(try await worker.end(within: 20).status == 0)
            }
        }
    }

    @Test func `An upload whose id got lost with the store's answer is ended after its video is ready`() async throws {
        try await Shop.with { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            proxy.setFaults([.create(.cutAfterwards, times: 2)])
            let worker = try shop.worker(["S3_ENDPOINT": proxy.url])
            let row = try await shop.ready(try await shop.insert(Clips.large))
            try await shop.expectOneResult(row)
            #expect(worker.errors.contains("removed what was left"))
            worker.signal(SIGTERM)
            #expect(try await worker.end(within: 20).status == 0)
            await proxy.stop()
        }
    }

    @Test func `A key that may not list uploads still has objects deleted`() async throws {
        try await Shop.with { shop in
            let store = JobStore(shop.test.database)
            let id = try await Self.leave(in: shop, store)
            try await Self.put("\(id)/slow.mp4", in: shop)
            _ = try await store.cancel(id)
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            proxy.setFaults([
                StorageFault(.refuse(.s3(403)), method: "GET", query: ["uploads": nil], times: StorageFault.always)
            ])
            let worker = try shop.worker(["S3_ENDPOINT": proxy.url])
            try await worker.says("removed what was left")
            #expect(try await shop.objects(of: id).isEmpty)
            worker.signal(SIGTERM)
            #expect(try await worker.end(within: 20).status == 0)
            await proxy.stop()
        }
    }

    @Test func `An object that the store makes only after its video's leftovers were removed is removed, too`()
        async throws
    {
        try await Shop.with { shop in
            let store = JobStore(shop.test.database)
            let id = try await Self.leave(in: shop, store)
            _ = try await store.cancel(id)
            let worker = try shop.worker()
            try await worker.says("removed what was left")
            worker.signal(SIGTERM)
            #expect(try await worker.end(within: 20).status == 0)
            // The last request of the worker that had the video takes effect.
            try await Self.put("\(id)/slow.mp4", in: shop)
            try await shop.test.passRemovals()
            let next = try shop.worker()
            try await shop.until("the object is gone", within: 20) { try await shop.objects(of: id).isEmpty }
            next.signal(SIGTERM)
            #expect(try await next.end(within: 20).status == 0)
        }
    }

    @Test func `A worker that is told to stop waits for one removal at most where a store hangs`() async throws {
        try await Shop.with { shop in
            let store = JobStore(shop.test.database)
            for _ in 0..<3 { _ = try await store.cancel(try await Self.leave(in: shop, store)) }
            try await Self.hang(shop, "") { worker, _ in
                worker.signal(SIGTERM)
                let end = try await worker.end(within: 10)
                #expect(end.status == 0, "\(end.errors)")
            }
        }
    }

    @Test func `A worker that is told to stop finishes a removal, so that nobody has to wait for its end`() async throws
    {
        try await Shop.with { shop in
            let store = JobStore(shop.test.database)
            let id = try await Self.leave(in: shop, store)
            try await Self.put("\(id)/slow.mp4", in: shop)
            _ = try await store.cancel(id)
            try await Self.hang(shop, id, seconds: 2) { worker, _ in
                worker.signal(SIGTERM)
                let end = try await worker.end(within: 10)
                #expect(end.status == 0, "\(end.errors)")
                #expect(try await store.isBeingRemoved(id, key: "\(id)/slow.mp4") == false)
                #expect(try await shop.objects(of: id).isEmpty)
            }
        }
    }

    /// Has a worker that died leave the trace of an object behind; returns the video.
    private static func leave(in shop: Shop, _ store: JobStore) async throws -> String {
        let id = try await shop.insert(Clips.small)
        let job = try #require(try await store.claim(owner: "dead", lease: 600))
        #expect(try await store.uploadStarted(job, key: "\(id)/slow.mp4", uploadID: nil))
        return id
    }

    /// Stores an object of a few bytes.
    private static func put(_ key: String, in shop: Shop) async throws {
        try await JobThread.run(named: "put") {
            try shop.store.upload(key: key, onEvent: { _ in }).finish(head: [1, 2, 3])
        }
    }

    /// Starts a worker, and waits until its sweep hangs in the deletion of an object of this video's, or of any.
    private static func hang(
        _ shop: Shop, _ id: String, seconds: Double = 600, _ body: (Program, StorageProxy) async throws -> Void
    ) async throws {
        let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
        proxy.setFaults([
            StorageFault(.delay(seconds: seconds), method: "DELETE", path: "/shop/\(id)", times: StorageFault.always)
        ])
        let result: Result<Void, any Error>
        do {
            let worker = try shop.worker(["S3_ENDPOINT": proxy.url])
            try await shop.until("the sweep hangs") {
                proxy.requests.contains { $0.fault == "delay" && $0.outcome == .open }
            }
            result = .success(try await body(worker, proxy))
        } catch {
            result = .failure(error)
        }
        await proxy.stop()
        try result.get()
    }
}
