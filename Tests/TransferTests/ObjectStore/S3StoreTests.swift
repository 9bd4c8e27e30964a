import Foundation
import StorageFaults
import Synchronization
import Testing

@testable import Transfer

/// Against a real S3 store that checks signatures: SeaweedFS.
@Suite(.enabled(if: SeaweedFS.isThere)) struct S3StoreTests {
    private let weed: SeaweedFS
    private let client = SeaweedFS.client()

    init() throws { weed = try #require(SeaweedFS.running) }

    private func store(_ bucket: String = "videos") throws -> S3Store {
        try S3Store(weed.settings(bucket: bucket), client: client, policy: SeaweedFS.hasty)
    }

    @Test func `a missing bucket is made, is readable by anyone, and is left alone the next time`() async throws {
        let store = try store("made-\(UUID().uuidString.prefix(8).lowercased())")
        try await onThread {
            try store.prepare(isCancelled: never)
            let probe = try store.probe(isCancelled: never)
            #expect(probe.isPubliclyReadable)
            #expect(try store.objects.list(prefix: "", never).result.get().isEmpty)
            try store.prepare(isCancelled: never)
        }
    }

    @Test func `a small object is one PutObject, with the type and the lifetime of a video`() async throws {
        let store = try store()
        let key = "small/\(UUID()).mp4"
        let (head, body) = (Noise.bytes(100_000), Noise.bytes(1_000_000, seed: 2))
        try await onThread {
            try store.prepare(isCancelled: never)
            let events = Mutex<[UploadEvent]>([])
            let upload = try store.upload(key: key) { event in events.withLock { $0.append(event) } }
            try upload.write(body, headLength: PartLayout.smallestPart)
            try upload.finish(head: head)
            #expect(events.withLock { $0.isEmpty })
            #expect(upload.location == "s3://videos/\(key)")
            #expect(upload.measures.bytesSent == 1_100_000)
            #expect(upload.measures.uploadSeconds > 0)
            #expect(try upload.sha256() == SignatureV4.sha256(head + body))

            let answer = try client.send(HTTPRequest("HEAD", store.publicURL(key: key)))
            #expect(answer.head["Content-Type"] == "video/mp4")
            #expect(answer.head["Cache-Control"] == "public, max-age=31536000, immutable")
        }
    }

    @Test(arguments: [1 << 20, 3_333_333, 12 << 20])
    func `a large object is head and body in their order, whatever the pieces it was written in`(piece: Int)
        async throws
    {
        let store = try store()
        let key = "large/\(UUID()).mp4"
        let (head, body) = (Noise.bytes(5_500_000), Noise.bytes(23_456_789, seed: 2))
        try await onThread {
            try store.prepare(isCancelled: never)
            let events = Mutex<[UploadEvent]>([])
            let upload = try store.upload(key: key) { event in events.withLock { $0.append(event) } }
            for start in stride(from: 0, to: body.count, by: piece) {
                try upload.write(Array(body[start..<min(start + piece, body.count)]), headLength: head.count)
            }
            #expect(try store.head(key: key, isCancelled: never) == nil)
            try upload.finish(head: head)
            #expect(try store.head(key: key, isCancelled: never)?.bytes == Int64(head.count + body.count))
            #expect(try upload.sha256() == SignatureV4.sha256(head + body))
            #expect(upload.measures.bytesSent == Int64(head.count + body.count))
            let told = events.withLock { $0 }
            #expect(told.count == 2)
            guard case .opened(key, let id)? = told.first else { return #expect(Bool(false), "\(told)") }
            #expect(told.last == .closed(key: key, id: id))
            #expect(try store.reapUploads(prefix: "large/\(key)", isCancelled: never) == 0)
            let answer = try client.send(HTTPRequest("HEAD", store.publicURL(key: key)))
            #expect(answer.head["Content-Type"] == "video/mp4")
            #expect(answer.head["Cache-Control"] == "public, max-age=31536000, immutable")
        }
    }

    @Test func `keys with every kind of character are signed, stored, listed and deleted`() async throws {
        let store = try store()
        let folder = "keys-\(UUID().uuidString)"
        let names = ["plain.mp4", "a b+c.mp4", "é&=%?#.mp4", "(x)!*'~,;:@$.mp4", "<日本>\"q\".mp4"]
        try await onThread {
            try store.prepare(isCancelled: never)
            for name in names {
                let upload = try store.upload(key: "\(folder)/\(name)") { _ in }
                try upload.finish(head: Array(name.utf8))
            }
            let keys = try store.objects.list(prefix: "\(folder)/", never).result.get()
            #expect(Set(keys) == Set(names.map { "\(folder)/\($0)" }))
            for name in names {
                let key = "\(folder)/\(name)"
                #expect(try store.head(key: key, isCancelled: never)?.bytes == Int64(name.utf8.count))
                try store.delete(key: key, isCancelled: never)
                try store.delete(key: key, isCancelled: never)
                #expect(try store.head(key: key, isCancelled: never) == nil)
            }
        }
    }

    @Test func `uploads that nobody finishes are found and ended, those of other keys are left alone`() async throws {
        let store = try store()
        let folder = "reap-\(UUID().uuidString)"
        try await onThread {
            try store.prepare(isCancelled: never)
            let abandoned = try store.upload(key: "\(folder)/a.mp4") { _ in }
            let other = try store.upload(key: "\(folder)-b/b.mp4") { _ in }
            for upload in [abandoned, other] {
                try upload.write(Noise.bytes(6 << 20), headLength: PartLayout.smallestPart)
            }
            #expect(try store.reapUploads(prefix: "\(folder)/", isCancelled: never) == 1)
            #expect(try store.reapUploads(prefix: "\(folder)/", isCancelled: never) == 0)
            // What was reaped can't be finished, and says so; the other can.
            let error = try #require(throws: TransferError.self) { try abandoned.finish(head: Noise.bytes(5 << 20)) }
            #expect(error.code == .storageUnavailable)
            try other.finish(head: Noise.bytes(5 << 20))
            #expect(try store.head(key: "\(folder)/a.mp4", isCancelled: never) == nil)
            #expect(try store.head(key: "\(folder)-b/b.mp4", isCancelled: never)?.bytes == 11 << 20)
        }
    }

    @Test func `an upload is ended also where the store's clock is ahead`() async throws {
        try await StorageProxy.beforeSeaweedFS { proxy, store, direct in
            let key = "ahead/\(UUID()).mp4"
            let opened = Mutex("")
            try await onThread {
                let upload = try direct.upload(key: key) { event in
                    if case .opened(_, let id) = event { opened.withLock { $0 = id } }
                }
                try upload.write(Noise.bytes(6 << 20), headLength: PartLayout.smallestPart)
                let entry =
                    "<Key>\(key)</Key><UploadId>\(opened.withLock { $0 })</UploadId>"
                    + "<Initiated>2999-01-01T00:00:00.000Z</Initiated>"
                let list =
                    "<ListMultipartUploadsResult><Upload>\(entry)</Upload></ListMultipartUploadsResult>"
                let answer = StorageFault.Answer(status: 200, contentType: "application/xml", body: list)
                proxy.setFaults([StorageFault(.replaceAnswer(answer), method: "GET", query: ["uploads": nil])])
                #expect(try store.reapUploads(prefix: key, isCancelled: never) == 1)
                #expect(throws: TransferError.self) { try upload.finish(head: Noise.bytes(5 << 20)) }
            }
        }
    }

    @Test func `an upload that is thrown away leaves nothing, and says so to whoever keeps its id`() async throws {
        let store = try store()
        let key = "abort/\(UUID()).mp4"
        try await onThread {
            try store.prepare(isCancelled: never)
            let events = Mutex<[UploadEvent]>([])
            let upload = try store.upload(key: key) { event in events.withLock { $0.append(event) } }
            try upload.write(Noise.bytes(17 << 20), headLength: PartLayout.smallestPart)
            upload.abort()
            upload.abort()
            #expect(events.withLock { $0.count } == 2)
            #expect(try store.head(key: key, isCancelled: never) == nil)
            #expect(try store.reapUploads(prefix: key, isCancelled: never) == 0)
            #expect(throws: TransferError.self) { try upload.write([1], headLength: PartLayout.smallestPart) }
            #expect(throws: TransferError.self) { try upload.finish(head: [1]) }
        }
    }

    @Test func `throwing away after finish leaves the object`() async throws {
        let store = try store()
        let key = "kept/\(UUID()).mp4"
        try await onThread {
            try store.prepare(isCancelled: never)
            let upload = try store.upload(key: key) { _ in }
            try upload.finish(head: Noise.bytes(1000))
            upload.abort()
            #expect(try store.head(key: key, isCancelled: never)?.bytes == 1000)
        }
    }

    @Test(arguments: [("id", "S3_ACCESS_KEY_ID"), ("secret", "S3_SECRET_ACCESS_KEY"), ("right", "right")])
    func `wrong credentials are refused with the setting to mend`(wrong: String, mend: String) async throws {
        var settings = weed.settings()
        switch wrong {
        case "id": settings.accessKey = "nobody"
        case "secret": settings.secretKey = "wrong"
        default: settings.accessKey += "r"
        }
        let secret = settings.secretKey
        let good = try store()
        let store = try S3Store(settings, client: client, policy: SeaweedFS.hasty)
        let key = "auth/\(UUID()).mp4"
        try await onThread {
            try good.prepare(isCancelled: never)
            for size in [1000, 11 << 20] {
                let upload = try store.upload(key: key) { _ in }
                let error = try #require(throws: TransferError.self) {
                    if size > 1000 { try upload.write(Noise.bytes(size), headLength: PartLayout.smallestPart) }
                    try upload.finish(head: Noise.bytes(5 << 20))
                }
                #expect(error.code == .storageAuth)
                #expect(error.message.contains(mend), "\(error)")
                #expect(!error.message.contains(secret))
                upload.abort()
            }
            #expect(try good.head(key: key, isCancelled: never) == nil)
        }
    }

    @Test func `preparing with a wrong secret names the setting, though the store's answer to HEAD has no body`()
        async throws
    {
        var settings = weed.settings()
        settings.secretKey = "wrong"
        let store = try S3Store(settings, client: client, policy: SeaweedFS.hasty)
        let error = try await onThread {
            try #require(throws: TransferError.self) { try store.prepare(isCancelled: never) }
        }
        #expect(error.code == .storageAuth)
        #expect(error.message.contains("S3_SECRET_ACCESS_KEY"), "\(error)")
    }

    @Test func `a store that isn't there is unavailable, and the message has no secret`() async throws {
        let store = try S3Store(
            weed.settings(endpoint: "http://127.0.0.1:1"), client: client, policy: SeaweedFS.hasty)
        try await onThread {
            let upload = try store.upload(key: "a.mp4") { _ in }
            let error = try #require(throws: TransferError.self) { try upload.finish(head: [1]) }
            #expect(error.code == .storageUnavailable)
            #expect(throws: TransferError.self) { try store.prepare(isCancelled: never) }
            #expect(throws: TransferError.self) { try store.probe(isCancelled: never) }
        }
    }
}
