import Foundation
import LoopbackHTTP
import StorageFaults
import Synchronization
import Testing

@testable import Transfer

/// Two workers that write one key, as happens when one sleeps through its lease.
@Suite(.enabled(if: SeaweedFS.isThere))
struct S3SharedKeyTests {
    @Test(arguments: [1 << 20, 12 << 20])
    func `an object that another worker stored meanwhile isn't taken away`(bodyBytes: Int) async throws {
        let weed = try #require(SeaweedFS.running)
        let direct = try S3Store(weed.settings(), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        let store = try S3Store(
            weed.settings(endpoint: proxy.url), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let key = "replaced/\(UUID()).mp4"
        try await onThread { try direct.prepare(isCancelled: never) }
        proxy.setFaults([.head(.delay(seconds: 2))])
        let (head, body) = (Noise.bytes(5_242_900), Noise.bytes(bodyBytes, seed: 2))
        async let ended = onThread {
            let upload = try store.upload(key: key) { _ in }
            return Result {
                if body.count > PartLayout.smallestPart { try upload.write(body, headLength: head.count) }
                try upload.finish(head: head)
            }
        }
        _ = try await proxy.firstRequest { $0.method == "HEAD" && $0.path.hasSuffix(key) }
        let other = Noise.bytes(1_000, seed: 3)
        try await onThread { try direct.upload(key: key) { _ in }.finish(head: other) }
        let result = try await ended
        #expect(throws: TransferError.self) { try result.get() }
        let found = try await onThread { try direct.head(key: key, isCancelled: never) }
        #expect(found?.bytes == Int64(other.count))
        try await onThread { try direct.delete(key: key, isCancelled: never) }
        await proxy.stop()
    }

    @Test func `an upload that another worker has open isn't ended by one that doesn't know the id of its own`()
        async throws
    {
        let weed = try #require(SeaweedFS.running)
        let direct = try S3Store(weed.settings(), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let proxy = try await StorageProxy.start(upstream: weed.endpoint)
        proxy.setFaults([.create(.cutAfterwards, times: StorageFault.always)])
        let lossy = try S3Store(
            weed.settings(endpoint: proxy.url), client: SeaweedFS.client(), policy: SeaweedFS.hasty)
        let key = "open/\(UUID()).mp4"
        let (head, body) = (Noise.bytes(5_242_900), Noise.bytes(12 << 20, seed: 2))
        try await onThread {
            try direct.prepare(isCancelled: never)
            let other = try direct.upload(key: key, isShared: true) { _ in }
            try other.write(body, headLength: head.count)
            let lost = try lossy.upload(key: key, isShared: true) { _ in }
            #expect(throws: TransferError.self) { try lost.write(body, headLength: head.count) }
            lost.abort()
            try other.finish(head: head)
            #expect(try direct.head(key: key, isCancelled: never)?.bytes == Int64(head.count + body.count))
            // Whoever knows that nobody writes the key any more finds them.
            #expect(try direct.reapUploads(prefix: key, isCancelled: never) > 0)
            try direct.delete(key: key, isCancelled: never)
        }
        await proxy.stop()
    }

    @Test func `an upload that another worker has open isn't ended by one that is done before it`() async throws {
        try await StorageProxy.beforeSeaweedFS { proxy, lossy, direct in
            // Its first answer is lost, so that an upload may be open whose id it doesn't know.
            proxy.setFaults([.create(.cutAfterwards)])
            let key = "overtaken/\(UUID()).mp4"
            let (head, body) = (Noise.bytes(5_242_900), Noise.bytes(12 << 20, seed: 2))
            try await onThread {
                let other = try direct.upload(key: key, isShared: true) { _ in }
                try other.write(body, headLength: head.count)
                let events = Mutex<[UploadEvent]>([])
                let first = try lossy.upload(key: key, isShared: true) { event in events.withLock { $0.append(event) } }
                try first.write(body, headLength: head.count)
                try first.finish(head: head)
                #expect(events.withLock { $0.contains(.lost(key: key)) })
                try other.finish(head: head)
                #expect(try direct.head(key: key, isCancelled: never)?.bytes == Int64(head.count + body.count))
                #expect(try direct.reapUploads(prefix: key, isCancelled: never) == 1)
                try direct.delete(key: key, isCancelled: never)
            }
        }
    }
}
