import Foundation
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

extension ChaosTests {
    struct KillTests {
        @Test(arguments: isThorough ? Stage.allCases : [.downloading, .afterComplete])
        func `A worker killed at a stage leaves the video to another, which finishes it once`(stage: Stage) async throws
        {
            try await Shop.with { shop in
                try await stage.hold(shop) { held in
                    held.worker.signal(SIGKILL)
                    #expect(try await held.worker.end().status == 128 + SIGKILL)
                    try await held.lock?.endWaiting()
                    try await held.lock?.release()
                    held.drive.setFaults([])
                    let second = try shop.worker()
                    let row = try await shop.ready(held.id)
                    #expect(row["social_ready_attempts"] == "2")
                    try await shop.expectOneResult(row)
                    // What the dead worker had sent arrives at last, and changes nothing.
                    try await held.release()
                    try await shop.settle(held.proxy)
                    try await shop.expectOneResult(row)
                    second.signal(SIGTERM)
                    #expect(try await second.end(within: 20).status == 0)
                }
            }
        }
    }
}
