import Foundation
import StorageFaults
import Testing

@testable import Transfer

/// The S3 store that `Tests/services/run seaweedfs` started.
struct SeaweedFS: Sendable {
    let endpoint: String
    let accessKey: String
    let secretKey: String

    static let isThere = running != nil

    static let running: SeaweedFS? = {
        let environment = ProcessInfo.processInfo.environment
        guard let endpoint = environment["REELWAY_TEST_S3_ENDPOINT"],
            let accessKey = environment["REELWAY_TEST_S3_ACCESS_KEY"],
            let secretKey = environment["REELWAY_TEST_S3_SECRET_KEY"]
        else { return nil }
        return SeaweedFS(endpoint: endpoint, accessKey: accessKey, secretKey: secretKey)
    }()

    /// Settings for the store, or for a proxy in front of it.
    func settings(bucket: String = "videos", endpoint: String? = nil) -> S3Settings {
        var settings = S3Settings(
            endpoint: endpoint ?? self.endpoint, region: "us-east-1", accessKey: accessKey, secretKey: secretKey,
            bucket: bucket)
        settings.partBytes = PartLayout.smallestPart
        return settings
    }

    /// A client that may reach loopback and doesn't wait long.
    static func client(stallSeconds: Double = 5) -> HTTPClient {
        var options = HTTPClient.Options()
        options.allowsPrivateHosts = true
        options.connectTimeout = 2
        options.stallSeconds = stallSeconds
        return HTTPClient(options)
    }

    /// A policy that loses no time.
    static var hasty: RetryPolicy {
        var policy = RetryPolicy()
        policy.attempts = 4
        policy.baseSeconds = 0.05
        return policy
    }
}

extension StorageProxy {
    /// Runs a test on SeaweedFS behind a proxy, which is stopped whatever comes, and beside it. The bucket is there.
    static func beforeSeaweedFS(
        policy: RetryPolicy = SeaweedFS.hasty, partBytes: Int = PartLayout.smallestPart,
        _ body: (_ proxy: StorageProxy, _ store: S3Store, _ direct: S3Store) async throws -> Void
    ) async throws {
        let weed = try #require(SeaweedFS.running)
        let direct = try S3Store(weed.settings(), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        try await onThread { try direct.prepare(isCancelled: never) }
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        var settings = weed.settings(endpoint: proxy.url)
        settings.partBytes = partBytes
        let store = try S3Store(settings, client: SeaweedFS.client(), policy: policy)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(proxy, store, direct))
        } catch {
            result = .failure(error)
        }
        await proxy.stop()
        try result.get()
    }
}

/// Bytes that are alike in no two places and in no two files.
enum Noise {
    static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            for index in 0..<count {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer[index] = UInt8(truncatingIfNeeded: state >> 24)
            }
            filled = count
        }
    }
}

/// Ends never.
let never: @Sendable () -> Bool = { false }
