import Foundation
import Testing

@testable import Transfer

private let untrusted = ProcessInfo.processInfo.environment["REELWAY_TEST_HTTPS_URL"]

/// On the server of Tests/services/https.sh, whose certificate nobody here trusts.
@Suite(.enabled(if: untrusted != nil)) struct TrustTests {
    /// One that takes its time.
    private var patient: RetryPolicy {
        var policy = RetryPolicy()
        (policy.baseSeconds, policy.maximumDelay, policy.totalSeconds) = (5, 5, 20)
        return policy
    }

    private func ends(_ body: () async throws -> Void) async -> TransferError? {
        let start = ContinuousClock.now
        let error = await #expect(throws: TransferError.self) { try await body() }
        #expect(.now - start < .seconds(3))
        return error
    }

    @Test func `a server that isn't trusted is asked once`() async throws {
        let url = try #require(untrusted)
        let client = HTTPClient(.local)
        var options = RangedSource.Options()
        options.retry = patient
        let source = await ends {
            _ = try await RangedSource.open(.init(url: "\(url)/x.mp4"), client: client, options: options)
        }
        #expect(source?.code == .sourceUnavailable && source?.message.contains("certificate") == true)

        var settings = OneDrive.Settings(.accessToken("t"))
        settings.graphURL = url
        let oneDrive = OneDrive(settings, client: client, retry: patient)
        let item = await ends { _ = try await oneDrive.item("ITEM") }
        #expect(item?.code == .sourceUnavailable)

        let s3 = S3Settings(endpoint: url, region: "r", accessKey: "a", secretKey: "s", bucket: "videos")
        let store = try S3Store(s3, client: client, policy: patient)
        let object = await ends { try await onThread { _ = try store.head(key: "a", isCancelled: { false }) } }
        #expect(object?.code == .storageUnavailable && object?.message.contains("certificate") == true)
    }
}
