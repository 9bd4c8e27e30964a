import Foundation
import Media
import StorageFaults
import Testing
import Transfer

@testable import reelway

struct RemoteEndsTests {
    private func store(_ scheme: String, _ more: [String: String]) throws -> any ObjectStore {
        let environment = ["SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_0123"]
        let ends = RemoteEnds(try Settings(environment.merging(more) { $1 }))
        defer {
            ends.sources.shutdown()
            ends.stores.shutdown()
        }
        return try ends.store(scheme: scheme, bucket: "videos", profile: .reels)
    }

    @Test func `only where Supabase has no S3 keys is what goes there spooled to the disk`() throws {
        #expect(try store("supabase", [:]) is SupabaseStore)
        let keys = ["S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"]
        #expect(try store("supabase", keys) is S3Store)
        let elsewhere = keys.merging(["S3_ENDPOINT": "https://store.example"]) { $1 }
        #expect(try store("supabase", elsewhere) is SupabaseStore)
        #expect(try store("s3", elsewhere) is S3Store)
    }

    @Test(.enabled(if: Shop.isThere), arguments: [(Profile.any, nil), (.story, 600_000_000), (.reels, 600_000_000)])
    func `a bucket that is made has room for a reel whose parts come twice, and no limit where videos have none`(
        profile: Profile, limit: Int?
    ) async throws {
        let given = ProcessInfo.processInfo.environment
        var options = SupabaseStandIn.Options()
        options.fileSizeLimit = 1_000_000_000
        let project = try await SupabaseStandIn.start(
            store: given["REELWAY_TEST_S3_ENDPOINT"] ?? "", accessKey: given["REELWAY_TEST_S3_ACCESS_KEY"] ?? "",
            secretKey: given["REELWAY_TEST_S3_SECRET_KEY"] ?? "", tus: "http://127.0.0.1:1/", options: options)
        let bucket = "limit-\(UUID().uuidString.prefix(8).lowercased())"
        let environment = ["SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.keys.secret]
        let ends = RemoteEnds(try Settings(environment))
        let store = try ends.store(scheme: "supabase", bucket: bucket, profile: profile)
        let answer = try await JobThread.run(named: "prepare") {
            try store.prepare(isCancelled: { false })
            return try ends.stores.send(
                HTTPRequest(
                    "GET", "\(project.url)/storage/v1/bucket/\(bucket)", headers: [("apikey", project.keys.secret)]))
        }
        let made = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        #expect(made?["public"] as? Bool == true)
        #expect(made?["file_size_limit"] as? Int == limit)
        ends.sources.shutdown()
        ends.stores.shutdown()
        await project.stop()
    }

    @Test func `each of the videos at once has its connections to the store and to the source`() async throws {
        let proxy = try await StorageProxy.start(upstream: "http://127.0.0.1:1")
        proxy.setFaults([StorageFault(.delay(seconds: 600), times: StorageFault.always)])
        let ends = RemoteEnds(try Settings(["REELWAY_ALLOW_PRIVATE_HOSTS": "true"]), videos: 4)
        for client in [ends.stores, ends.sources] {
            let before = proxy.requests.count
            let requests = (0..<8).map { number in
                Task { try await client.response(to: HTTPRequest("GET", "\(proxy.url)/bucket/\(number)")) }
            }
            let deadline = ContinuousClock.now + .seconds(20)
            while proxy.requests.count < before + 8, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(proxy.requests.count == before + 8)
            for request in requests { request.cancel() }
            client.shutdown()
        }
        await proxy.stop()
    }
}
