import Foundation
import LoopbackHTTP
import StorageFaults
import Testing

/// Against a real SeaweedFS, which verifies each signature: `Tests/services/run seaweedfs -- swift test`.
@Suite(.enabled(if: Store.isThere), .serialized) struct StorageProxyTests {
    static let part = noise(5 << 20)
    static let tail = noise(70_000, seed: 2)

    @Test func `signed requests pass with Host, path and query untouched`() async throws {
        try await Store.with { store async throws in
            let key = "a%20folder/with%2520percent%2Bplus.mp4"
            #expect(try await store.put(key, Self.tail).status == 200)
            let stored = try await store.sign(["\(store.proxy.url)/\(store.bucket)/\(key)"])
            #expect(stored.status == 200)
            #expect(stored.body.count == Self.tail.count)
            let request = try #require(store.proxy.requests.last)
            #expect(request["Host"] == String(store.proxy.url.dropFirst(7)))
            #expect(request.subject == "GetObject")
            #expect(request.finished != nil)
            #expect(try await Curl.run("-X", "DELETE", "\(store.proxy.url)/\(store.bucket)/\(key)").status == 403)
        }
    }

    @Test func `a multipart upload passes, the parts out of order`() async throws {
        try await Store.with { store async throws in
            let upload = try await store.create("clip.mp4")
            let second = try await store.part("clip.mp4", upload, 2, Self.tail)
            let first = try await store.part("clip.mp4", upload, 1, Self.part)
            let done = try await store.complete("clip.mp4", upload, [first, second])
            #expect(done.status == 200)
            #expect(try await store.read("clip.mp4") == Self.part + Self.tail)
            #expect(
                store.proxy.requests.map(\.subject) == [
                    "CreateMultipartUpload", "UploadPart 2", "UploadPart 1", "CompleteMultipartUpload", "GetObject",
                ])
            #expect(store.proxy.requests[2].bytesReceived == Int64(Self.part.count))
        }
    }

    @Test func `a refusal keeps the request from the store`() async throws {
        try await Store.with { store async throws in
            store.proxy.setFaults([
                .put(.refuse(.s3(503, retryAfter: 1))), .put(.refuseEarly(.s3(413))), .put(.refuse(.s3(429)), times: 2),
            ])
            let busy = try await store.put("a", Self.tail)
            #expect(busy.status == 503 && busy["Retry-After"] == "1" && busy.text.contains("<Code>SlowDown</Code>"))
            #expect(try await store.put("a", Self.tail).status == 413)
            #expect(try await store.put("a", Self.tail).status == 429)
            #expect(try await store.put("a", Self.tail).status == 429)
            #expect(try await store.read("a") == nil)
            #expect(try await store.put("a", Self.tail).status == 200)
        }
    }

    @Test func `an answer is lost though the store took the request`() async throws {
        try await Store.with { store async throws in
            store.proxy.setFaults([
                .put(.cutAfterwards), .put(.replaceAnswer(.s3(500))), .put(.delayAfterwards(seconds: 0.4)),
            ])
            for (index, key) in ["cut", "replaced", "late"].enumerated() {
                let answer = try await store.put(key, Self.tail)
                #expect(try await store.read(key) == Self.tail)
                switch index {
                case 0: #expect(answer.exit == 56)
                case 1: #expect(answer.status == 500)
                default: #expect(answer.status == 200 && answer.seconds > 0.4)
                }
            }
        }
    }

    @Test func `a completion takes effect though its answer is lost`() async throws {
        try await Store.with { store async throws in
            store.proxy.setFaults([.complete(.cutAfterwards)])
            let upload = try await store.create("clip.mp4")
            let first = try await store.part("clip.mp4", upload, 1, Self.part)
            #expect(try await store.complete("clip.mp4", upload, [first]).exit == 56)
            #expect(try await store.read("clip.mp4") == Self.part)
        }
    }

    @Test func `a part breaks off, changes on its way, gets a wrong ETag`() async throws {
        try await Store.with { store async throws in
            let upload = try await store.create("clip.mp4")
            let right = try await store.part("clip.mp4", upload, 1, Self.part)["ETag"]
            store.proxy.setFaults([
                .part(2, .reset(atByte: 0)), .part(nil, .reset(atByte: 1 << 20)), .part(1, .corrupt(byte: 4_000_000)),
                .part(1, .eTag("\"00\"")), .part(1, .stall(atByte: 1 << 20, seconds: 0.4)), .part(1, .eTag("")),
            ])
            #expect(try await store.part("clip.mp4", upload, 2, Self.part).exit != 0)
            #expect(try await store.part("clip.mp4", upload, 3, Self.part).exit != 0)
            #expect(store.proxy.requests.suffix(2).map(\.outcome) == [.cut, .cut])
            let corrupt = try await store.part("clip.mp4", upload, 1, Self.part)
            #expect(corrupt.status == 200 && corrupt["ETag"] != right)
            #expect(try await store.part("clip.mp4", upload, 1, Self.part)["ETag"] == "\"00\"")
            let stalled = try await store.part("clip.mp4", upload, 1, Self.part)
            #expect(stalled["ETag"] == right && stalled.seconds > 0.4)
            #expect(try await store.part("clip.mp4", upload, 1, Self.part)["ETag"] == nil)
        }
    }

    @Test func `an answer breaks off`() async throws {
        try await Store.with { store async throws in
            #expect(try await store.put("a", Self.tail).status == 200)
            store.proxy.setFaults([StorageFault(.cutAnswer(atByte: 1234), method: "GET")])
            let answer = try await store.sign(["\(store.proxy.url)/\(store.bucket)/a"])
            #expect(answer.exit == 18)
            #expect(answer.body == Self.tail.prefix(1234))
        }
    }

    @Test func `each direction has its bandwidth within a tenth`() async throws {
        try await Store.with { store async throws in
            store.proxy.setBandwidth(up: .init(perConnection: 5e6), down: .init(total: 10e6))
            let up = try await quietest {
                _ = try await store.put("a", Self.part)
                return store.proxy.requests.last.map(seconds) ?? 0
            }
            #expect(abs(up - 5.24288 / 5) < 0.1)
            let down = try await quietest {
                _ = try await store.read("a")
                return store.proxy.requests.last.map(seconds) ?? 0
            }
            #expect(abs(down - 5.24288 / 10) < 0.05)
        }
    }

    @Test func `the program is a link of known speed`() async throws {
        try await TemporaryFolder.with { folder async throws in
            let process = Process()
            process.executableURL = try Program.beside("storage-proxy")
            process.arguments = [
                "--upstream", Store.environment["REELWAY_TEST_S3_ENDPOINT"] ?? "", "--down-mib", "2", "--ready-file",
                folder + "/ready", "--requests-file", folder + "/requests",
            ]
            process.standardOutput = FileHandle.nullDevice
            let exit = AsyncStream<Int32>.makeStream()
            process.terminationHandler = { exit.continuation.yield($0.terminationStatus) }
            try process.run()
            defer { process.terminate() }
            for _ in 0..<200 where !FileManager.default.fileExists(atPath: folder + "/ready") {
                try await Task.sleep(for: .milliseconds(50))
            }
            let url = try String(contentsOfFile: folder + "/ready", encoding: .utf8)
            try await Store.with { store async throws in
                #expect(try await store.put("a", Self.part).status == 200)
                let seconds = try await store.sign(["\(url)/\(store.bucket)/a"]).seconds
                #expect(seconds > 2.4)
            }
            process.terminate()
            var ending = exit.stream.makeAsyncIterator()
            #expect(await ending.next() == 0)
            let line = try String(contentsOfFile: folder + "/requests", encoding: .utf8)
            #expect(line.contains("\"subject\":\"GetObject\""))
        }
    }

    private func seconds(_ request: RecordedRequest) -> Double {
        request.finished.map { ($0 - request.arrived) / .seconds(1) } ?? .infinity
    }
}

/// A bucket in the store, reached through a proxy with curl's own signatures.
private struct Store {
    static let environment = ProcessInfo.processInfo.environment
    static var isThere: Bool { environment["REELWAY_TEST_S3_ENDPOINT"] != nil }

    let proxy: StorageProxy
    let bucket: String

    static func with(_ body: (Store) async throws -> Void) async throws {
        let proxy = try await StorageProxy.start(upstream: environment["REELWAY_TEST_S3_ENDPOINT"] ?? "")
        let store = Store(proxy: proxy, bucket: "faults-\(UUID().uuidString.lowercased())")
        #expect(try await store.sign(["-X", "PUT", "\(proxy.url)/\(store.bucket)"]).status == 200)
        proxy.clearRequests()
        do { try await body(store) } catch {
            try await store.end()
            throw error
        }
        try await store.end()
    }

    /// Each bucket takes up the store's volumes until it is deleted.
    private func end() async throws {
        proxy.setFaults([])
        #expect(try await sign(["-X", "DELETE", "\(proxy.url)/\(bucket)"]).status == 204)
        await proxy.stop()
    }

    func sign(_ arguments: [String], body: Data? = nil) async throws -> Curl {
        let user =
            "\(Self.environment["REELWAY_TEST_S3_ACCESS_KEY"] ?? ""):\(Self.environment["REELWAY_TEST_S3_SECRET_KEY"] ?? "")"
        return try await Curl.run(
            arguments: [
                "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", user, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
            ] + arguments, body: body)
    }

    func put(_ key: String, _ bytes: Data) async throws -> Curl {
        try await sign(["-X", "PUT", "-H", "Content-Type: video/mp4", "\(proxy.url)/\(bucket)/\(key)"], body: bytes)
    }

    func read(_ key: String) async throws -> Data? {
        let answer = try await sign(["\(proxy.url)/\(bucket)/\(key)"])
        return answer.status == 200 ? answer.body : nil
    }

    func create(_ key: String) async throws -> String {
        let answer = try await sign(
            ["-X", "POST", "-H", "Content-Type: video/mp4", "\(proxy.url)/\(bucket)/\(key)?uploads="])
        return answer.text.firstMatch(of: /<UploadId>(.+?)<\/UploadId>/).map { String($0.1) } ?? ""
    }

    func part(_ key: String, _ upload: String, _ number: Int, _ bytes: Data) async throws -> Curl {
        try await sign(
            [
                "-X", "PUT", "-H", "Content-Type: application/octet-stream",
                "\(proxy.url)/\(bucket)/\(key)?partNumber=\(number)&uploadId=\(upload)",
            ], body: bytes)
    }

    func complete(_ key: String, _ upload: String, _ parts: [Curl]) async throws -> Curl {
        let list = parts.enumerated().map {
            "<Part><PartNumber>\($0 + 1)</PartNumber><ETag>\($1["ETag"] ?? "")</ETag></Part>"
        }
        let xml = "<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>"
        return try await sign(
            ["-X", "POST", "-H", "Content-Type: application/xml", "\(proxy.url)/\(bucket)/\(key)?uploadId=\(upload)"],
            body: Data(xml.utf8))
    }
}
