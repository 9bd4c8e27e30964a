import Foundation
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

extension ChaosTests {
    struct RowChangeTests {
        private static let stages: [Stage] =
            isThorough ? Stage.allCases.filter { $0 != .beforeRow } : [.uploading]

        @Test(arguments: stages)
        func `A row deleted at a stage ends its work, leaves nothing, and the worker does the next`(stage: Stage)
            async throws
        {
            try await Shop.with { shop in
                try await stage.hold(shop) { held in
                    try await shop.test.database.query("delete from product_videos")
                    try await held.noticesLoss()
                    try await held.release()
                    let next = try await shop.insert(Clips.foreign)
                    try await shop.expectOneResult(try await shop.ready(next))
                    #expect(try await shop.objects(of: held.id).isEmpty)
                    #expect(try await shop.openUploads(of: held.id) == 0)
                    held.worker.signal(SIGTERM)
                    let end = try await held.worker.end(within: 20)
                    #expect(end.status == 0)
                    #expect(!end.errors.contains("video failed"), "\(end.errors)")
                }
            }
        }

        @Test(arguments: stages, [false, true])
        func `A row set back to pending at a stage is done anew, once`(stage: Stage, isNoticedFirst: Bool) async throws
        {
            try await Shop.with { shop in
                try await stage.hold(shop) { held in
                    try await shop.test.database.query("update product_videos set social_ready_status = 'pending'")
                    if isNoticedFirst { try await held.noticesLoss() }
                    try await held.release()
                    let row = try await shop.ready(held.id)
                    #expect(row["social_ready_fence"] == "2", "\(held.worker.errors)")
                    #expect(row["social_ready_attempts"] == "1", "\(held.worker.errors)")
                    // The one before has ended too when the worker has.
                    held.worker.signal(SIGTERM)
                    #expect(try await held.worker.end(within: 60).status == 0)
                    let other = try shop.worker()
                    try await other.says("worker is ready")
                    try await shop.expectOneResult(row)
                    other.signal(SIGTERM)
                    #expect(try await other.end(within: 20).status == 0)
                }
            }
        }
    }
}
