import Foundation
import Postgres
import Testing
import Transfer

@testable import reelway

/// Who renews the sign-in.
@Suite(.enabled(if: TestDatabase.isThere))
struct StoredRefreshTokenTests {
    @Test func `one that dies while it renews the sign-in holds nobody for as long as what counts as a standstill`()
        async throws
    {
        try await TestDatabase.withStore { test, store in
            let settings = try Settings(
                [
                    "DATABASE_URL": test.address, "ONEDRIVE_CLIENT_ID": "app", "ONEDRIVE_REFRESH_TOKEN": "given",
                    "REELWAY_STALL_SECONDS": "3",
                ])
            let tokens = StoredRefreshToken(settings, in: store)
            let renewed = RefreshedTokens(accessToken: "access", lifetime: 3600, refreshToken: "next")
            let dead = Task {
                try? await tokens.rotate { _ throws(TransferError) in
                    try? await Task.sleep(for: .seconds(600))
                    throw TransferError(.cancelled, "it is dead")
                }
            }
            while try await test.database.query("select from reelway_secrets").count == 0 {
                try await Task.sleep(for: .milliseconds(20))
            }
            let begun = ContinuousClock.now
            let next = try await within(.seconds(6)) {
                try await tokens.rotate { kept throws(TransferError) in
                    #expect(kept == nil)
                    return renewed
                }
            }
            #expect(next?.refreshToken == "next")
            #expect(.now - begun < .seconds(3))
            dead.cancel()
            _ = await dead.value
        }
    }
}
