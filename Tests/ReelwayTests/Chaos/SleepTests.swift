import Foundation
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

extension ChaosTests {
    struct SleepTests {
        @Test(arguments: isThorough ? Stage.allCases.filter { $0 != .beforeRow } : [.downloading])
        func `A worker that slept through its lease can't overwrite the new owner's result`(stage: Stage) async throws {
            try await Shop.with { shop in
                try await stage.hold(shop) { held in
                    held.worker.signal(SIGSTOP)
                    held.drive.setFaults([])
                    let other = try shop.worker()
                    let row = try await shop.ready(held.id)
                    try await held.release()
                    held.worker.signal(SIGCONT)
                    try await held.noticesLoss()
                    // It has done what it wanted to do.
                    held.worker.signal(SIGTERM)
                    let end = try await held.worker.end(within: 60)
                    #expect(end.status == 0, "\(end.errors)")
                    #expect(!end.errors.contains("video is ready") && !end.errors.contains("video failed"))
                    let after = try await shop.ready(held.id)
                    #expect(after["social_ready_fence"] as String? == row["social_ready_fence"])
                    #expect(after["social_ready_url"] as String? == row["social_ready_url"])
                    try await shop.expectOneResult(after)
                    other.signal(SIGTERM)
                    #expect(try await other.end(within: 20).status == 0)
                }
            }
        }
    }
}
