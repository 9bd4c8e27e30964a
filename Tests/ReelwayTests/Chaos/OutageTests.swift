import Foundation
import OneDriveSandbox
import Postgres
import StorageFaults
import Testing

@testable import reelway

extension ChaosTests {
    struct OutageTests {
        @Test(arguments: isThorough ? Stage.allCases : [.uploading])
        func `A database that stops at a stage for longer than a lease finds the work done, once`(stage: Stage)
            async throws
        {
            try await OwnServer.with { server, test in
                try await Shop.with(on: test) { shop in
                    try await stage.hold(shop) { held in
                        // Another worker would take the video if the lease let it.
                        let other = try shop.worker()
                        try await other.says("worker is ready")
                        try await server.stop()
                        try await held.release()
                        // The lease is of three.
                        try await Task.sleep(for: .seconds(4))
                        try await server.start()
                        let row = try await shop.ready(held.id)
                        #expect(row["social_ready_fence"] == "1")
                        #expect(row["social_ready_attempts"] == "1")
                        try await shop.expectOneResult(row)
                        for worker in [held.worker, other] {
                            worker.signal(SIGTERM)
                            #expect(try await worker.end(within: 20).status == 0)
                        }
                    }
                }
            }
        }

        /// As one that has yet to be promoted. It refuses at once, and no server of it starts anew.
        @Test func `A database that takes no writes for longer than a lease or a standstill finds the work done, once`()
            async throws
        {
            try await OwnServer.with { _, test in
                try await Shop.with(["REELWAY_STALL_SECONDS": "5"], on: test) { shop in
                    try await Stage.uploading.hold(shop) { held in
                        let other = try shop.worker()
                        try await other.says("worker is ready")
                        try await test.takeWrites(false)
                        try await held.release()
                        try await Task.sleep(for: .seconds(9))
                        try await test.takeWrites(true)
                        let row = try await shop.ready(held.id)
                        #expect(row["social_ready_fence"] == "1", "\(held.worker.errors)")
                        #expect(row["social_ready_attempts"] == "1")
                        try await shop.expectOneResult(row)
                        for worker in [held.worker, other] {
                            worker.signal(SIGTERM)
                            #expect(try await worker.end(within: 20).status == 0)
                        }
                    }
                }
            }
        }

        /// It claims nothing meanwhile, and its own video ends before the other's worker has come to itself.
        @Test func `A worker whose places are all taken gives others the time to renew their leases after an outage`()
            async throws
        {
            try await OwnServer.with { _, test in
                try await Shop.with(["REELWAY_CONCURRENCY": "1"], on: test) { shop in
                    try await Stage.uploading.hold(shop) { slow in
                        try await Stage.uploading.hold(shop) { full in
                            // Until then it gives them the time for having just begun.
                            try await Task.sleep(for: .seconds(11))
                            try await test.takeWrites(false)
                            // The lease is of three.
                            try await Task.sleep(for: .seconds(5))
                            slow.worker.signal(SIGSTOP)
                            try await test.takeWrites(true)
                            try await full.release()
                            try await shop.ready(full.id)
                            try await Task.sleep(for: .seconds(1))
                            slow.worker.signal(SIGCONT)
                            try await slow.release()
                            let row = try await shop.ready(slow.id)
                            #expect(row["social_ready_fence"] == "1", "\(full.worker.errors)")
                            #expect(row["social_ready_attempts"] == "1")
                            try await shop.expectOneResult(row)
                            for worker in [slow.worker, full.worker] {
                                worker.signal(SIGTERM)
                                #expect(try await worker.end(within: 20).status == 0)
                            }
                        }
                    }
                }
            }
        }

        /// It may have begun in the outage.
        @Test func `A worker that has just begun gives others the time to renew their leases`() async throws {
            try await Shop.with { shop in
                try await Stage.uploading.hold(shop) { held in
                    held.worker.signal(SIGSTOP)
                    try await Task.sleep(for: .seconds(4))
                    let other = try shop.worker()
                    try await other.says("worker is ready")
                    try await Task.sleep(for: .seconds(1))
                    held.worker.signal(SIGCONT)
                    try await held.release()
                    let row = try await shop.ready(held.id)
                    #expect(row["social_ready_fence"] == "1", "\(other.errors)")
                    try await shop.expectOneResult(row)
                    for worker in [held.worker, other] {
                        worker.signal(SIGTERM)
                        #expect(try await worker.end(within: 20).status == 0)
                    }
                }
            }
        }

        @Test func `A video whose claim was committed and never answered is done at once, and counted once`()
            async throws
        {
            try await OwnServer.with { _, test in
                try await Shop.with(["REELWAY_LEASE_SECONDS": "600"], on: test) { shop in
                    let worker = try shop.worker()
                    try await worker.says("worker is ready")
                    // Each commit waits for a standby that isn't there, and has taken effect when its session is ended.
                    try await test.set("synchronous_standby_names", to: "nobody")
                    try await test.database.transaction { transaction in
                        try await transaction.query("set local synchronous_commit = off")
                        try await transaction.query(
                            "insert into product_videos (onedrive_file_id) values ($1)",
                            shop.drive.itemID(for: Clips.small))
                    }
                    try await shop.until("the claim waits") {
                        try await test.database.query(
                            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'"
                        ).count > 0
                    }
                    try await test.set("synchronous_standby_names", to: "")
                    let id = try await test.database.query("select id::text as id from product_videos").rows.first?[
                        "id"]
                    let row = try await shop.ready(try #require(id), within: 30)
                    #expect(row["social_ready_fence"] == "1", "\(worker.errors)")
                    #expect(row["social_ready_attempts"] == "1")
                    worker.signal(SIGTERM)
                    #expect(try await worker.end(within: 20).status == 0)
                }
            }
        }

        @Test(arguments: isThorough ? [.opened, .uploading, .beforeComplete, .afterComplete] : [Stage.uploading])
        func `A store that is away for longer than a retry costs attempts, not the video`(stage: Stage) async throws {
            try await outlives(stage) { held in
                held.proxy.setFaults([StorageFault(.refuse(.s3(503)), times: StorageFault.always)])
            }
        }

        @Test(arguments: isThorough ? [.claimed, .downloading, .encoding] : [Stage.downloading])
        func `A OneDrive that refuses or hangs for longer than a retry costs attempts, not the video`(stage: Stage)
            async throws
        {
            try await outlives(stage) { held in
                // Later than that it hangs as it does.
                guard stage == .claimed else { return }
                held.drive.setFaults(
                    [.token, .item, .download].map { Fault(.status(code: 503), on: $0, times: Fault.always) })
            }
        }

        /// Two attempts end in the outage, and the third may succeed.
        private func outlives(_ stage: Stage, outage: (Stage.Held) -> Void) async throws {
            // The patience with a service follows from it.
            try await Shop.with(["REELWAY_STALL_SECONDS": "3", "REELWAY_RETRY_BASE_SECONDS": "0.5"]) { shop in
                try await stage.hold(shop) { held in
                    outage(held)
                    let waiting = try await shop.wait(held.id) { $0["social_ready_error"] as String? != nil }
                    let error = waiting["social_ready_error"] as String? ?? ""
                    #expect(
                        ["source_unavailable", "source_throttled", "storage_unavailable"].contains(
                            error.prefix { $0 != ":" }.description), "\(error)")
                    try await shop.wait(held.id) { Int($0["social_ready_fence"] ?? "") ?? 0 >= 3 }
                    try await held.release()
                    let row = try await shop.ready(held.id)
                    #expect(Int(row["social_ready_attempts"] ?? "") ?? 0 >= 3)
                    #expect(row["social_ready_error"] as String? == nil)
                    try await shop.expectOneResult(row)
                    held.worker.signal(SIGTERM)
                    #expect(try await held.worker.end(within: 20).status == 0)
                }
            }
        }
    }
}

extension TestDatabase {
    /// Has the whole server take writes or none, as one that has yet to be promoted.
    fileprivate func takeWrites(_ does: Bool) async throws {
        try await set("default_transaction_read_only", to: does ? "off" : "on")
    }

    /// Changes a setting of the whole server.
    fileprivate func set(_ setting: String, to value: String) async throws {
        try await database.query("alter system set \(setting) = '\(value)'")
        try await database.query("select pg_reload_conf()")
    }
}
