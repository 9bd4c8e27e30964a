import Foundation
import LoopbackHTTP
import StorageFaults
import Synchronization
import Testing

@testable import Transfer

/// A real store behind a proxy that loses, delays and falsifies: either the object is whole, or there is a clear error
/// and nothing is left.
@Suite(.enabled(if: SeaweedFS.isThere), .serialized) struct S3FaultTests {
    /// What goes wrong, and how it has to end.
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let faults: [StorageFault]
        /// `nil`: the object is whole.
        let code: TransferError.Code?
        var testDescription: String { name }

        init(_ name: String, _ faults: StorageFault..., fails code: TransferError.Code? = nil) {
            (self.name, self.faults, self.code) = (name, faults, code)
        }
    }

    private static let always = StorageFault.always
    private static let page = StorageFault.Answer(status: 200, contentType: "text/html", body: "<html>Sign in</html>")
    private static func errorInside(_ code: String) -> StorageFault.Answer {
        StorageFault.Answer(
            status: 200, contentType: "application/xml", body: "  \n<Error><Code>\(code)</Code></Error>")
    }

    /// The object of these has four parts: 5 MiB, 5 MiB and 2 MiB of body, and 5.2 MB of head.
    static let largeObject: [Case] = [
        Case("nothing goes wrong"),
        Case("500 before a part", .part(2, .refuse(.s3(500)))),
        Case(
            "503 before each part", .part(1, .refuse(.s3(503))), .part(2, .refuse(.s3(503))),
            .part(3, .refuse(.s3(503)))),
        Case("503 in the middle of a part", .part(3, .refuseEarly(.s3(503)))),
        Case("429 that asks for a second", .part(2, .refuse(.s3(429, retryAfter: 1)))),
        Case("500 after a part was accepted", .part(2, .replaceAnswer(.s3(500)))),
        Case("503 after the last part was accepted", .part(4, .replaceAnswer(.s3(503)))),
        Case("429 after the head was accepted", .part(1, .replaceAnswer(.s3(429)))),
        Case("408's word inside a 400", .part(2, .refuse(.s3(400, code: "RequestTimeout")))),
        Case("reset before a part's first byte", .part(2, .reset(atByte: 0))),
        Case("reset in the middle of a part", .part(2, .reset(atByte: 2_500_000))),
        Case("reset at a part's last byte", .part(3, .reset(atByte: 5_242_879))),
        Case("reset in the middle of the head", .part(1, .reset(atByte: 2_500_000))),
        Case("reset instead of a part's answer", .part(2, .cutAfterwards)),
        Case("a part's answer that never comes", .part(2, .delayAfterwards(seconds: 3))),
        Case("a part that stalls", .part(2, .stall(atByte: 2_500_000, seconds: 3))),
        Case("a part's first byte flipped on its way", .part(2, .corrupt(byte: 0))),
        Case("a part's middle byte flipped on its way", .part(3, .corrupt(byte: 2_500_000))),
        Case("the head's last byte flipped on its way", .part(1, .corrupt(byte: 5_242_000))),
        Case("a wrong ETag", .part(2, .eTag("\"00000000000000000000000000000000\""))),
        Case("no ETag", .part(2, .eTag(""))),
        Case("503 before the upload is created", .create(.refuse(.s3(503)))),
        Case("the answer to creating lost, so that an upload is open that nobody knows", .create(.cutAfterwards)),
        Case("a portal's page instead of an upload id", .create(.replaceAnswer(page))),
        Case("503 before completing", .complete(.refuse(.s3(503)))),
        Case("503 after completing took effect", .complete(.replaceAnswer(.s3(503)))),
        Case("reset after completing took effect", .complete(.cutAfterwards)),
        Case(
            "reset after completing took effect, and the upload forgotten then", .complete(.cutAfterwards),
            .complete(.refuse(.s3(404, code: "NoSuchUpload")))),
        Case("reset each time after completing took effect", .complete(.cutAfterwards, times: always)),
        Case("time-out after completing took effect", .complete(.delayAfterwards(seconds: 3))),
        Case("an error inside a 200 before completing", .complete(.refuse(errorInside("InternalError")))),
        Case("an error inside a 200 after completing", .complete(.replaceAnswer(errorInside("InternalError")))),
        Case("a page after completing", .complete(.replaceAnswer(page))),
        Case("half an answer to completing", .complete(.cutAnswer(atByte: 30))),
        Case("503 when asked whether it is whole", .head(.refuse(.s3(503)))),

        Case(
            "a part that is lost before completing", .complete(.refuse(.s3(400, code: "InvalidPart"))),
            fails: .storageUnavailable),
        Case("403 at creating", .create(.refuse(.s3(403))), fails: .storageAuth),
        Case(
            "a wrong signature at creating", .create(.refuse(.s3(403, code: "SignatureDoesNotMatch"))),
            fails: .storageAuth),
        Case("403 at a part", .part(3, .refuse(.s3(403))), fails: .storageAuth),
        Case("403 at the head", .part(1, .refuse(.s3(403))), fails: .storageAuth),
        Case("413 at a part", .part(2, .refuse(.s3(413))), fails: .storageRejected),
        Case("413 in the middle of a part", .part(2, .refuseEarly(.s3(413))), fails: .storageRejected),
        Case("413 at completing", .complete(.refuse(.s3(413))), fails: .storageRejected),
        Case("415 at creating", .create(.refuse(.s3(415, code: "InvalidMimeType"))), fails: .storageRejected),
        Case("an upload that is gone", .part(2, .refuse(.s3(404))), fails: .storageUnavailable),
        Case("503 without end at creating", .create(.refuse(.s3(503)), times: always), fails: .storageUnavailable),
        Case(
            "answers to creating lost without end", .create(.cutAfterwards, times: always), fails: .storageUnavailable),
        Case("503 without end at a part", .part(2, .refuse(.s3(503)), times: always), fails: .storageUnavailable),
        Case("resets without end", .part(2, .reset(atByte: 1000), times: always), fails: .storageUnavailable),
        Case("flips without end", .part(2, .corrupt(byte: 7), times: always), fails: .storageUnavailable),
        Case(
            "wrong ETags without end", .part(2, .eTag("\"00000000000000000000000000000000\""), times: always),
            fails: .storageUnavailable),
        Case("503 without end at completing", .complete(.refuse(.s3(503)), times: always), fails: .storageUnavailable),
        Case("an unclear answer, then another size", .head(.replaceAnswer(page)), fails: .storageUnavailable),
        Case("503 without end when asked", .head(.refuse(.s3(503)), times: always), fails: .storageUnavailable),
        Case(
            "a fault, and 503 at the first abort", .part(2, .refuse(.s3(403))), .abort(.refuse(.s3(503))),
            fails: .storageAuth),
        Case(
            "a fault, and the abort's answer lost", .part(2, .refuse(.s3(403))), .abort(.cutAfterwards),
            fails: .storageAuth),
    ]

    /// The object of these is one PutObject of 3 MB.
    static let smallObject: [Case] = [
        Case("nothing goes wrong"),
        Case("503 before", .put(.refuse(.s3(503)))),
        Case("500 after it was accepted", .put(.replaceAnswer(.s3(500)))),
        Case("reset in the middle", .put(.reset(atByte: 1_500_000))),
        Case("reset after it was accepted", .put(.cutAfterwards)),
        Case("reset after it was accepted, each time", .put(.cutAfterwards, times: always)),
        Case("time-out after it was accepted", .put(.delayAfterwards(seconds: 3))),
        Case("a byte flipped on its way", .put(.corrupt(byte: 1_500_000))),
        Case("a wrong ETag", .put(.eTag("\"00000000000000000000000000000000\""))),
        Case("no ETag", .put(.eTag(""))),
        Case("403", .put(.refuse(.s3(403))), fails: .storageAuth),
        Case("413", .put(.refuse(.s3(413))), fails: .storageRejected),
        Case("413 at once", .put(.refuseEarly(.s3(413))), fails: .storageRejected),
        Case("503 without end", .put(.refuse(.s3(503)), times: always), fails: .storageUnavailable),
        Case("503 without end after it was accepted", .put(.replaceAnswer(.s3(503)), times: always)),
        Case("resets without end", .put(.reset(atByte: 1000), times: always), fails: .storageUnavailable),
        Case(
            "wrong ETags without end", .put(.eTag("\"00000000000000000000000000000000\""), times: always),
            fails: .storageUnavailable),
        Case("another size when asked", .head(.replaceAnswer(page)), fails: .storageUnavailable),
        Case("503 without end when asked", .head(.refuse(.s3(503)), times: always), fails: .storageUnavailable),
    ]

    private static let head = Noise.bytes(5_242_900)
    private static let body = Noise.bytes(12 << 20, seed: 2)

    @Test(arguments: largeObject)
    func `a large object is whole, or a clear error leaves nothing`(trial: Case) async throws {
        try await run(trial, head: Self.head, body: Self.body)
    }

    @Test(arguments: smallObject)
    func `a small object is whole, or a clear error leaves nothing`(trial: Case) async throws {
        try await run(trial, head: Array(Self.head.prefix(2_000_000)), body: Array(Self.body.prefix(1_000_000)))
    }

    private func run(_ trial: Case, head: [UInt8], body: [UInt8]) async throws {
        let weed = try #require(SeaweedFS.running)
        let direct = try S3Store(weed.settings(), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        let client = SeaweedFS.client(stallSeconds: 1)
        let store = try S3Store(weed.settings(endpoint: proxy.url), client: client, policy: SeaweedFS.hasty)
        let key = "faults/\(UUID()).mp4"
        try await onThread { try direct.prepare(isCancelled: never) }
        proxy.setFaults(trial.faults)

        let result = try await onThread {
            let upload = try store.upload(key: key) { _ in }
            return Result {
                do {
                    for start in stride(from: 0, to: body.count, by: 1 << 20) {
                        try upload.write(
                            Array(body[start..<min(start + 1 << 20, body.count)]), headLength: PartLayout.smallestPart)
                    }
                    try upload.finish(head: head)
                } catch {
                    // As the engine does, whatever failed.
                    upload.abort()
                    throw error
                }
            }
        }
        try await onThread {
            let object = try direct.head(key: key, isCancelled: never)
            switch (result, trial.code) {
            case (.success, nil):
                #expect(object?.bytes == Int64(head.count + body.count))
                #expect(try direct.sha256(key: key) == SignatureV4.sha256(head + body))
            case (.failure(let error as TransferError), let code?):
                #expect(error.code == code, "\(error)")
                #expect(!error.message.contains("\n"))
                #expect(object == nil)
            default: #expect(Bool(false), "\(result)")
            }
            #expect(try direct.reapUploads(prefix: key, isCancelled: never) == 0)
            client.shutdown()
        }
        let deadline = ContinuousClock.now + .seconds(5)
        while proxy.openConnections > 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        #expect(proxy.openConnections == 0)
        await proxy.stop()
    }

    @Test(
        arguments: [
            Case("503 without end at completing", .complete(.refuse(.s3(503)), times: always)),
            Case("completing not answered", .complete(.reset(atByte: 0), times: always)),
        ], [false, true])
    func `what lay there before stays where nothing came to replace it`(trial: Case, withTheSame isSame: Bool)
        async throws
    {
        try await StorageProxy.beforeSeaweedFS { proxy, store, direct in
            let key = "replacing/\(UUID()).mp4"
            proxy.setFaults(trial.faults)
            try await onThread {
                let before = try direct.upload(key: key) { _ in }
                if isSame { try before.write(Self.body, headLength: Self.head.count) }
                try before.finish(head: isSame ? Self.head : [1, 2, 3])
                let object = try direct.head(key: key, isCancelled: never)

                let upload = try store.upload(key: key) { _ in }
                try upload.write(Self.body, headLength: Self.head.count)
                let error = try #require(throws: TransferError.self) { try upload.finish(head: Self.head) }
                #expect(error.code == .storageUnavailable)
                #expect(object != nil)
                #expect(try direct.head(key: key, isCancelled: never) == object)
                #expect(try direct.reapUploads(prefix: key, isCancelled: never) == 0)
                try direct.delete(key: key, isCancelled: never)
            }
        }
    }

    @Test func `an object that is whole stays so where the store doesn't list the uploads that may be left`()
        async throws
    {
        try await StorageProxy.beforeSeaweedFS { proxy, store, direct in
            let key = "unlisted/\(UUID()).mp4"
            proxy.setFaults([
                .create(.cutAfterwards),
                StorageFault(.refuse(.s3(403)), method: "GET", query: ["uploads": nil], times: Self.always),
            ])
            try await onThread {
                let upload = try store.upload(key: key) { _ in }
                try upload.write(Self.body, headLength: Self.head.count)
                try upload.finish(head: Self.head)
                #expect(try direct.sha256(key: key) == SignatureV4.sha256(Self.head + Self.body))
                #expect(try direct.reapUploads(prefix: key, isCancelled: never) == 1)
                try direct.delete(key: key, isCancelled: never)
            }
        }
    }

    @Test(arguments: [1000, 6 << 20])
    func `a bucket that is missing at the first request is made`(bodyBytes: Int) async throws {
        let weed = try #require(SeaweedFS.running)
        let bucket = "late-\(UUID().uuidString.prefix(8).lowercased())"
        let store = try S3Store(
            weed.settings(bucket: bucket), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        try await onThread {
            let upload = try store.upload(key: "a.mp4") { _ in }
            try upload.write(Noise.bytes(bodyBytes), headLength: PartLayout.smallestPart)
            try upload.finish(head: Noise.bytes(5 << 20))
            #expect(try store.head(key: "a.mp4", isCancelled: never)?.bytes == Int64(bodyBytes + 5 << 20))
        }
    }

    @Test(arguments: [
        Case("while an upload is created", .create(.delayAfterwards(seconds: 8))),
        Case("while a part stalls", .part(2, .stall(atByte: 1 << 20, seconds: 8))),
        Case("while a part is answered late", .part(3, .delayAfterwards(seconds: 8))),
        Case("while a part waits for its next try", .part(2, .refuse(.s3(503, retryAfter: 8)), times: 9)),
        Case("while completing takes effect", .complete(.delayAfterwards(seconds: 8))),
        Case("before completing takes effect", .complete(.delay(seconds: 8))),
        Case("while the object is asked for", .head(.delay(seconds: 8))),
    ])
    func `cancelling wakes what blocks within a second, and throwing away leaves nothing`(trial: Case) async throws {
        let weed = try #require(SeaweedFS.running)
        let direct = try S3Store(weed.settings(), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        let client = SeaweedFS.client(stallSeconds: 30)
        let store = try S3Store(weed.settings(endpoint: proxy.url), client: client)
        let key = "cancel/\(UUID()).mp4"
        try await onThread { try direct.prepare(isCancelled: never) }
        proxy.setFaults(trial.faults)

        let upload = try store.upload(key: key) { _ in }
        async let ended = onThread { () -> (ContinuousClock.Instant, TransferError.Code?) in
            do {
                try upload.write(Noise.bytes(17 << 20), headLength: PartLayout.smallestPart)
                try upload.finish(head: Noise.bytes(5 << 20))
                return (.now, nil)
            } catch let error as TransferError {
                return (.now, error.code)
            }
        }
        try await Task.sleep(for: .seconds(1.5))
        let start = ContinuousClock.now
        upload.cancel()
        try await onThread { upload.abort() }
        let (_, code) = try await ended
        #expect(code == .cancelled)
        #expect(.now - start < .seconds(4))
        // What the proxy still held back may arrive at the store only now.
        try await Task.sleep(for: .seconds(0.5))
        try await onThread {
            let object = try direct.head(key: key, isCancelled: never)
            #expect(object == nil)
            #expect(try direct.reapUploads(prefix: key, isCancelled: never) == 0)
            client.shutdown()
        }
        await proxy.stop()
    }

    @Test func `a store that goes down in the middle is unavailable, and what it kept open is reaped later`()
        async throws
    {
        let weed = try #require(SeaweedFS.running)
        let direct = try S3Store(weed.settings(), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        let store = try S3Store(
            weed.settings(endpoint: proxy.url), client: SeaweedFS.client(stallSeconds: 1), policy: SeaweedFS.hasty)
        let key = "down/\(UUID()).mp4"
        let events = Mutex<[UploadEvent]>([])
        let upload = try store.upload(key: key) { event in events.withLock { $0.append(event) } }
        try await onThread {
            try direct.prepare(isCancelled: never)
            try upload.write(Noise.bytes(6 << 20), headLength: PartLayout.smallestPart)
        }
        await proxy.stop()
        try await onThread {
            let error = try #require(throws: TransferError.self) { try upload.finish(head: Noise.bytes(5 << 20)) }
            #expect(error.code == .storageUnavailable)
            // Its end was never told, so its id is still known to whoever keeps them.
            #expect(events.withLock { $0.count } == 1)
            #expect(try direct.head(key: key, isCancelled: never) == nil)
            #expect(try direct.reapUploads(prefix: key, isCancelled: never) == 1)
        }
    }
}

extension S3Store {
    /// Of what is stored now.
    func sha256(key: String) throws -> String {
        let bytes = try head(key: key, isCancelled: never)?.bytes ?? 0
        return try ObjectHash.sha256(of: key, bytes: bytes, objects, never) { _ in }
    }
}
