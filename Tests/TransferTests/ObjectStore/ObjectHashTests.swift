import Foundation
import StorageFaults
import Testing

@testable import Transfer

/// A stored object that is fetched for its hash through a proxy that breaks.
@Suite(.enabled(if: SeaweedFS.isThere), .serialized) struct ObjectHashTests {
    typealias Case = S3FaultTests.Case

    private static let head = Noise.bytes(5 << 20, seed: 1)
    private static let body = Noise.bytes(1 << 20, seed: 2)

    @Test(arguments: [
        Case("nothing goes wrong"),
        Case("503 first", .get(.refuse(.s3(503)))),
        Case("no answer first", .get(.cutAfterwards)),
        Case("half an object first", .get(.cutAnswer(atByte: 3 << 20))),
        Case("an answer that stalls first", .get(.delayAfterwards(seconds: 3))),
        Case("another object of another size first", .get(.replaceAnswer(.s3(200)))),
        Case("half an object each time", .get(.cutAnswer(atByte: 1), times: 99), fails: .storageUnavailable),
        Case("503 each time", .get(.refuse(.s3(503)), times: 99), fails: .storageUnavailable),
        Case("403", .get(.refuse(.s3(403))), fails: .storageAuth),
    ])
    func `a hash is that of the whole object, or a clear error`(trial: Case) async throws {
        try await withStored(trial.faults) { upload in
            let result = Result { try upload.sha256() }
            switch (result, trial.code) {
            case (.success(let hash), nil):
                #expect(hash == SignatureV4.sha256(Self.head + Self.body))
                #expect(upload.measures.bytesFetched >= Int64(Self.head.count + Self.body.count))
            case (.failure(let error as TransferError), let code?): #expect(error.code == code, "\(error)")
            default: Issue.record("\(result)")
            }
        }
    }

    @Test func `cancelling ends the fetch within a second`() async throws {
        try await withStored([.get(.delay(seconds: 8))], stallSeconds: 30) { upload in
            Thread.detachNewThread {
                Thread.sleep(forTimeInterval: 0.5)
                upload.cancel()
            }
            let start = ContinuousClock.now
            let error = try #require(throws: TransferError.self) { try upload.sha256() }
            #expect(error.code == .cancelled)
            #expect(.now - start < .seconds(1.5))
        }
    }

    /// A finished upload, whose store breaks from now on.
    private func withStored(
        _ faults: [StorageFault], stallSeconds: Double = 1,
        _ body: @escaping @Sendable (any ObjectUpload) throws -> Void
    ) async throws {
        let weed = try #require(SeaweedFS.running)
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        let client = SeaweedFS.client(stallSeconds: stallSeconds)
        let store = try S3Store(weed.settings(endpoint: proxy.url), client: client, policy: SeaweedFS.hasty)
        try await onThread {
            try store.prepare(isCancelled: never)
            let upload = try store.upload(key: "hash/\(UUID()).mp4") { _ in }
            try upload.write(Self.body, headLength: Self.head.count)
            try upload.finish(head: Self.head)
            proxy.setFaults(faults)
            try body(upload)
            client.shutdown()
        }
        await proxy.stop()
    }
}
