import Foundation
import LoopbackHTTP
import StorageFaults
import Testing

@testable import Transfer

/// Supabase's rules before a real S3 store and a real tus server.
@Suite(.enabled(if: SupabaseProject.isThere), .serialized) struct SupabaseStoreTests {
    private static let head = Noise.bytes(5_242_900)
    private static let body = Noise.bytes(12 << 20, seed: 2)
    private static let hash = SignatureV4.sha256(head + body)

    @Test func `a project's keys give S3 credentials where they can, and else only TUS is left`() {
        let jwt = "eyJhbGciOi.eyJyb2xlIjoi.c2lnbmF0dXJl"
        var settings = SupabaseSettings(
            url: "https://abcdefghij.supabase.co/", serviceKey: jwt, anonymousKey: "anon", bucket: "videos")
        let s3 = settings.s3()
        #expect(s3?.endpoint == "https://abcdefghij.supabase.co/storage/v1/s3")
        #expect(s3?.accessKey == "abcdefghij")
        #expect(s3?.secretKey == "anon")
        #expect(s3?.sessionToken == jwt)
        #expect(s3?.publicURL == "https://abcdefghij.supabase.co/storage/v1/object/public/videos")
        #expect(settings.uploadBase == "https://abcdefghij.storage.supabase.co/storage/v1")
        #expect(settings.credentials.map(\.name) == ["apikey", "Authorization"])
        #expect(settings.s3(endpoint: "https://abcdefghij.storage.supabase.co/storage/v1/s3")?.sessionToken == jwt)
        #expect(settings.s3(endpoint: "https://store.example/storage/v1/s3") == nil)

        settings.url = "https://videos.example.com"
        #expect(settings.s3()?.accessKey == "stub")
        #expect(settings.uploadBase == "https://videos.example.com/storage/v1")

        settings.serviceKey = "sb_secret_abc"
        #expect(settings.s3() == nil)
        #expect(settings.credentials.map(\.name) == ["apikey"])
        settings.serviceKey = jwt
        settings.anonymousKey = nil
        #expect(settings.s3() == nil)
    }

    @Test(arguments: [
        (
            "https://api.example/up/resumable", "https://api.example/up/resumable/1",
            "https://api.example/up/resumable/1"
        ),
        (
            "https://api.example/up/resumable", "http://inner:5000/up/resumable/1?x=y",
            "https://api.example/up/resumable/1?x=y"
        ),
        ("https://api.example/up/resumable", "https://evil.example/steal", "https://api.example/steal"),
        ("http://127.0.0.1:8000/files", "/files/1", "http://127.0.0.1:8000/files/1"),
    ])
    func `a Location is followed on the origin that was chosen, whatever host it names`(
        endpoint: String, location: String, url: String
    ) {
        #expect(TUSClient.address(of: location, createdAt: endpoint) == url)
    }

    @Test(arguments: [false, true])
    func `the service key alone stores by TUS: bucket made, object whole, its body on the disk only meanwhile`(
        withSecretKey: Bool
    ) async throws {
        let project = try await SupabaseProject.start()
        let store = try project.tus(withSecretKey ? project.keys.secret : project.keys.service)
        try await onThread {
            try store.prepare(isCancelled: never)
            try store.prepare(isCancelled: never)
            let upload = try store.upload(key: "v1/a b.mp4") { _ in }
            try write(upload)
            #expect(project.openFiles == 1)
            #expect(try store.head(key: "v1/a b.mp4", isCancelled: never) == nil)
            try upload.finish(head: Self.head)
            #expect(project.openFiles == 0)
            #expect(upload.location == "supabase://\(project.bucket)/v1/a b.mp4")
            #expect(upload.measures.temporaryBytes == Int64(Self.body.count))
            #expect(upload.measures.bytesSent == Int64(Self.head.count + Self.body.count))
            #expect(upload.measures.bytesTransmitted == upload.measures.bytesSent)
            #expect(upload.measures.uploadSeconds > 0)
            #expect(try project.storedHash("v1/a b.mp4") == Self.hash)
            #expect(try upload.sha256() == Self.hash)
            let answer = try project.client.send(HTTPRequest("HEAD", store.publicURL(key: "v1/a b.mp4")))
            #expect(answer.head.status == 200)
            #expect(answer.head["Content-Type"] == "video/mp4")
            #expect(answer.head["Cache-Control"] == "max-age=31536000")

            #expect(try store.probe(isCancelled: never).isPubliclyReadable)
            try store.delete(key: "v1/a b.mp4", isCancelled: never)
            try store.delete(key: "v1/a b.mp4", isCancelled: never)
            #expect(try store.head(key: "v1/a b.mp4", isCancelled: never) == nil)
        }
        await project.stop()
    }

    @Test func `address, anonymous key and service key store by S3 while it is made, in a bucket made by REST`()
        async throws
    {
        let project = try await SupabaseProject.start()
        let store = try project.s3()
        try await onThread {
            try store.prepare(isCancelled: never)
            let upload = try store.upload(key: "v1/a.mp4") { _ in }
            try write(upload)
            try upload.finish(head: Self.head)
            #expect(upload.location == "supabase://\(project.bucket)/v1/a.mp4")
            #expect(upload.measures.temporaryBytes == 0)
            #expect(try upload.sha256() == Self.hash)
            let answer = try project.client.send(HTTPRequest("HEAD", store.publicURL(key: "v1/a.mp4")))
            #expect(answer.head.status == 200)
            #expect(answer.head["Cache-Control"] == "public, max-age=31536000, immutable")
            #expect(try store.probe(isCancelled: never).isPubliclyReadable)

            let small = try store.upload(key: "v1/b.mp4") { _ in }
            try small.finish(head: [1, 2, 3])
            #expect(try store.head(key: "v1/a.mp4", isCancelled: never)?.bytes == 17_825_812)
            #expect(try store.head(key: "v1/b.mp4", isCancelled: never)?.bytes == 3)
            let dropped = try store.upload(key: "v1/c.mp4") { _ in }
            try write(dropped)
            dropped.abort()
            #expect(try store.head(key: "v1/c.mp4", isCancelled: never) == nil)
        }
        await project.stop()
    }

    @Test(arguments: ["s3", "tus"])
    func `a key that has expired is refused with the setting to mend`(way: String) async throws {
        let project = try await SupabaseProject.start()
        let key = project.keys.expired
        let store: any ObjectStore = way == "tus" ? try project.tus(key) : try project.s3(key)
        try await onThread {
            for action in [
                { try store.prepare(isCancelled: never) },
                {
                    let upload = try store.upload(key: "a.mp4") { _ in }
                    try upload.finish(head: [1])
                },
            ] {
                let error = try #require(throws: TransferError.self, performing: action)
                #expect(error.code == .storageAuth)
                #expect(!error.message.contains(key))
            }
        }
        await project.stop()
    }

    @Test(arguments: ["s3", "tus"])
    func `a file above the project's limit is rejected, and the bucket is made all the same`(way: String) async throws {
        let project = try await SupabaseProject.start(fileSizeLimit: 8 << 20)
        let store: any ObjectStore = way == "tus" ? try project.tus(project.keys.service) : try project.s3()
        try await onThread {
            try store.prepare(isCancelled: never)
            let upload = try store.upload(key: "a.mp4") { _ in }
            let error = try #require(throws: TransferError.self) {
                try write(upload)
                try upload.finish(head: Self.head)
            }
            #expect(error.code == .storageRejected, "\(error)")
            #expect(error.message.contains("limit"), "\(error)")
            #expect(try store.head(key: "a.mp4", isCancelled: never) == nil)
            #expect(project.openFiles == 0)
        }
        await project.stop()
    }

    @Test(arguments: ["s3", "tus"])
    func `a bucket that is missing at the first request is made`(way: String) async throws {
        let project = try await SupabaseProject.start()
        let store: any ObjectStore = way == "tus" ? try project.tus(project.keys.service) : try project.s3()
        try await onThread {
            let upload = try store.upload(key: "a.mp4") { _ in }
            try upload.finish(head: Noise.bytes(1000))
            #expect(try store.head(key: "a.mp4", isCancelled: never)?.bytes == 1000)
        }
        await project.stop()
    }

    /// What goes wrong on the way of a TUS upload in three chunks (6, 6 and 5 MiB), and how it has to end.
    static let faults: [S3FaultTests.Case] = [
        .init("503 at creating", StorageFault(.refuse(.supabase(503, error: "e", message: "m")), method: "POST")),
        .init("the answer to creating lost", StorageFault(.cutAfterwards, method: "POST")),
        .init("reset in the middle of a chunk", patch(.reset(atByte: 3_000_000), skip: 1)),
        .init("reset before a chunk's first byte", patch(.reset(atByte: 0))),
        .init("a chunk's answer lost", patch(.cutAfterwards)),
        .init("the last chunk's answer lost", patch(.cutAfterwards, skip: 2)),
        .init(
            "the last chunk's answer lost, and the upload forgotten then", patch(.cutAfterwards, skip: 2), heads(404)),
        .init("a chunk's answer that never comes", patch(.delayAfterwards(seconds: 5), skip: 1)),
        .init("a chunk that stalls", patch(.stall(atByte: 1_000_000, seconds: 5))),
        .init("500 after a chunk was taken", patch(.replaceAnswer(.s3(500)), skip: 1)),
        .init("429", patch(.refuse(.supabase(429, error: "too_many", message: "m")))),
        .init("another offset than the server's", patch(.refuse(text(409)), skip: 1)),
        .init("a lock that an earlier request still holds", patch(.refuse(text(423)))),
        .init("an upload that has expired", patch(.refuse(text(410)), skip: 1)),
        .init("an upload that is forgotten", patch(.refuse(text(404)), skip: 2)),
        .init("503 when asked whether it is whole", objectHead(.refuse(.s3(503)))),

        .init(
            "403 at a chunk", patch(.refuse(.supabase(403, error: "Unauthorized", message: "m"))), fails: .storageAuth),
        .init("413 at a chunk", patch(.refuse(text(413))), fails: .storageRejected),
        .init("503 without end", patch(.refuse(text(503)), times: StorageFault.always), fails: .storageUnavailable),
        .init(
            "503 without end after a chunk was taken", patch(.refuse(text(503)), skip: 1, times: StorageFault.always),
            fails: .storageUnavailable),
        .init("resets without end", patch(.reset(atByte: 0), times: StorageFault.always), fails: .storageUnavailable),
        .init(
            "a lock without end", patch(.refuse(text(423)), skip: 1, times: StorageFault.always),
            fails: .storageUnavailable),
        .init(
            "another offset than the server's without end",
            patch(.refuse(text(409)), skip: 1, times: StorageFault.always), fails: .storageUnavailable),
        .init(
            "uploads forgotten without end", patch(.refuse(text(410)), times: StorageFault.always),
            fails: .storageUnavailable),
        .init(
            "503 without end when asked", objectHead(.refuse(.s3(503)), times: StorageFault.always),
            fails: .storageUnavailable),
    ]
    private static func text(_ status: Int) -> StorageFault.Answer {
        StorageFault.Answer(status: status, contentType: "text/plain", body: "no")
    }
    private static func patch(_ action: StorageFault.Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "PATCH", skip: skip, times: times)
    }
    private static func heads(_ status: Int) -> StorageFault {
        StorageFault(.refuse(text(status)), method: "HEAD", path: "/upload/resumable/")
    }
    private static func objectHead(_ action: StorageFault.Action, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "HEAD", path: "/object/", times: times)
    }

    @Test func `a TUS upload waits for as long as it is asked to`() async throws {
        let project = try await SupabaseProject.start()
        let proxy = try await StorageProxy.start(upstream: project.url)
        let store = try project.tus(project.keys.service, url: proxy.url, policy: RetryPolicy(patienceSeconds: 6))
        let busy = StorageFault.Answer(status: 429, retryAfter: 4, contentType: "text/plain", body: "no")
        proxy.setFaults([Self.patch(.refuse(busy), skip: 1)])
        try await onThread {
            try store.prepare(isCancelled: never)
            let upload = try store.upload(key: "a.mp4") { _ in }
            let start = ContinuousClock.now
            try write(upload)
            try upload.finish(head: Self.head)
            #expect(.now - start > .seconds(4))
            #expect(upload.measures.lastRest > 4)
            #expect(try store.head(key: "a.mp4", isCancelled: never)?.bytes == Int64(Self.head.count + Self.body.count))
        }
        await proxy.stop()
        await project.stop()
    }

    @Test(arguments: faults)
    func `a TUS upload goes on where the server is, or a clear error leaves nothing`(trial: S3FaultTests.Case)
        async throws
    {
        let project = try await SupabaseProject.start()
        let proxy = try await StorageProxy.start(upstream: project.url)
        let store = try project.tus(project.keys.service, url: proxy.url)
        let direct = try project.tus(project.keys.service)
        try await onThread { try direct.prepare(isCancelled: never) }
        proxy.setFaults(trial.faults)
        try await onThread {
            let upload = try store.upload(key: "a.mp4") { _ in }
            let result = Result {
                try write(upload)
                try upload.finish(head: Self.head)
            }
            upload.abort()
            switch (result, trial.code) {
            case (.success, nil): #expect(try project.storedHash("a.mp4") == Self.hash)
            case (.failure(let error as TransferError), let code?):
                #expect(error.code == code, "\(error)")
                #expect(try direct.head(key: "a.mp4", isCancelled: never) == nil)
            default: #expect(Bool(false), "\(result)")
            }
            #expect(project.openFiles == 0)
        }
        await proxy.stop()
        await project.stop()
    }

    @Test(arguments: [false, true])
    func `what lay there before stays where the last chunk never arrived`(withTheSame isSame: Bool) async throws {
        let project = try await SupabaseProject.start()
        let proxy = try await StorageProxy.start(upstream: project.url)
        let store = try project.tus(project.keys.service, url: proxy.url)
        let direct = try project.tus(project.keys.service)
        proxy.setFaults([Self.patch(.refuse(Self.text(503)), skip: 2, times: StorageFault.always)])
        try await onThread {
            try direct.prepare(isCancelled: never)
            let before = try direct.upload(key: "a.mp4") { _ in }
            if isSame { try write(before) }
            try before.finish(head: isSame ? Self.head : [1, 2, 3])
            let upload = try store.upload(key: "a.mp4") { _ in }
            try write(upload)
            let error = try #require(throws: TransferError.self) { try upload.finish(head: Self.head) }
            #expect(error.code == .storageUnavailable)
            #expect(
                try direct.head(key: "a.mp4", isCancelled: never)?.bytes
                    == (isSame ? Int64(Self.head.count + Self.body.count) : 3))
        }
        await proxy.stop()
        await project.stop()
    }

    @Test func `cancelling a TUS upload wakes it within a second and ends it on the server`() async throws {
        let project = try await SupabaseProject.start()
        let proxy = try await StorageProxy.start(upstream: project.url)
        let store = try project.tus(project.keys.service, url: proxy.url)
        try await onThread { try store.prepare(isCancelled: never) }
        proxy.setFaults([Self.patch(.stall(atByte: 1 << 20, seconds: 8), skip: 1)])
        let upload = try store.upload(key: "a.mp4") { _ in }
        async let code = onThread { () -> TransferError.Code? in
            do {
                try write(upload)
                try upload.finish(head: Self.head)
                return nil
            } catch let error as TransferError {
                return error.code
            }
        }
        _ = try await proxy.firstRequest { $0.method == "PATCH" && $0.index > 2 }
        try await Task.sleep(for: .seconds(0.5))
        let start = ContinuousClock.now
        try await onThread { upload.abort() }
        #expect(try await code == .cancelled)
        #expect(.now - start < .seconds(3))
        let path = try #require(proxy.requests.last { $0.method == "PATCH" }?.path)
        let direct = try project.tus(project.keys.service)
        try await onThread {
            let client = TUSClient(
                endpoint: project.url + path, headers: direct.credentials, client: project.client)
            guard case .failure(let failure) = try client.offset(project.url + path, never) else {
                return #expect(Bool(false), "the upload is still there")
            }
            #expect([404, 410].contains(failure.status))
            #expect(try direct.head(key: "a.mp4", isCancelled: never) == nil)
            #expect(project.openFiles == 0)
        }
        await proxy.stop()
        await project.stop()
    }

    @Test func `a full disk is the operator's to mend`() throws {
        let settings = SupabaseSettings(url: "http://127.0.0.1:1", serviceKey: "k", bucket: "b")
        let store = try SupabaseStore(
            settings, client: SeaweedFS.client(), policy: SeaweedFS.hasty, temporaryFolder: "/nowhere")
        let error = try #require(throws: TransferError.self) { _ = try store.upload(key: "a") { _ in } }
        #expect(error.code == .storageRejected)
        #expect(error.message.contains("TMPDIR"))
    }
}

/// Writes the body as the engine does.
private func write(_ upload: any ObjectUpload) throws {
    let body = Noise.bytes(12 << 20, seed: 2)
    for start in stride(from: 0, to: body.count, by: 1 << 20) {
        try upload.write(Array(body[start..<min(start + 1 << 20, body.count)]), headLength: 5_242_900)
    }
}
