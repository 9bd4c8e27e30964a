import Testing
import Transfer

@testable import reelway

@Suite("RemoteEnds")
struct RemoteEndsTests {
    private func store(_ scheme: String, _ more: [String: String]) throws -> any ObjectStore {
        let environment = ["SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_0123"]
        let ends = RemoteEnds(try Settings(environment.merging(more) { $1 }))
        defer {
            ends.sources.shutdown()
            ends.stores.shutdown()
        }
        return try ends.store(scheme: scheme, bucket: "videos")
    }

    @Test("Only where Supabase has no S3 keys is what goes there spooled to the disk")
    func supabase() throws {
        #expect(try store("supabase", [:]) is SupabaseStore)
        let keys = ["S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"]
        #expect(try store("supabase", keys) is S3Store)
        let elsewhere = keys.merging(["S3_ENDPOINT": "https://store.example"]) { $1 }
        #expect(try store("supabase", elsewhere) is SupabaseStore)
        #expect(try store("s3", elsewhere) is S3Store)
    }
}
