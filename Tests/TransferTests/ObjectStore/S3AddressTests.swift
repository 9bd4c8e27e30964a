import Testing

@testable import Transfer

struct S3AddressTests {
    @Test func `a bucket is the first segment behind the endpoint's path`() throws {
        let address = try #require(S3Address(endpoint: "https://abc.supabase.co/storage/v1/s3/", bucket: "videos"))
        #expect(address.bucket() == "https://abc.supabase.co/storage/v1/s3/videos")
        #expect(address.bucket([("uploads", "")]) == "https://abc.supabase.co/storage/v1/s3/videos?uploads=")
        #expect(address.object("1/a.mp4") == "https://abc.supabase.co/storage/v1/s3/videos/1/a.mp4")
    }

    @Test(arguments: [
        ("https://store:443", "https://store/b"), ("http://store:80/", "http://store/b"),
        ("http://store:443", "http://store:443/b"), ("http://127.0.0.1:8333", "http://127.0.0.1:8333/b"),
        ("HTTPS://Store.Example", "https://store.example/b"), ("http://[::1]:9000", "http://[::1]:9000/b"),
    ])
    func `the port is named only where the Host header names it`(endpoint: String, bucket: String) {
        #expect(S3Address(endpoint: endpoint, bucket: "b")?.bucket() == bucket)
    }

    @Test(arguments: ["", "store", "ftp://store", "https://", "https://user:word@store", "https://store?a=b"])
    func `what isn't an endpoint is none`(endpoint: String) {
        #expect(S3Address(endpoint: endpoint, bucket: "b") == nil)
    }

    @Test func `keys and query values are encoded once, slashes of keys stay`() throws {
        let address = try #require(S3Address(endpoint: "https://store", bucket: "b"))
        #expect(
            address.object("é/a b+c&d=%.mp4", [("uploadId", "a/b==")])
                == "https://store/b/%C3%A9/a%20b%2Bc%26d%3D%25.mp4?uploadId=a%2Fb%3D%3D")
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", "a/../b", "..", "./a", "a\nb", String(repeating: "a", count: 1025),
    ])
    func `a key that would change on the way is refused`(key: String) {
        #expect(S3Address.fault(inKey: key) != nil)
    }

    @Test(arguments: ["a", "1f/0123456789ab.mp4", "a/..b/c...mp4", "ü/日本.mp4"])
    func `ordinary keys are taken`(key: String) {
        #expect(S3Address.fault(inKey: key) == nil)
    }
}
