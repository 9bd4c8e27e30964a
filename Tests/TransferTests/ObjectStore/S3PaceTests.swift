import Foundation
import LoopbackHTTP
import StorageFaults
import Testing

@testable import Transfer

/// A real store behind a line that may be slow, and an encoder before it that may be.
@Suite(.enabled(if: SeaweedFS.isThere), .serialized) struct S3PaceTests {
    @Test func `parts leave while the body is written, and the head's part begins last`() async throws {
        try await StorageProxy.beforeSeaweedFS { proxy, store, _ in
            let key = "order/\(UUID()).mp4"
            let subjects = try await onThread {
                let upload = try store.upload(key: key) { _ in }
                for seed in 0..<21 {
                    try upload.write(Noise.bytes(1 << 20, seed: UInt64(seed)), headLength: PartLayout.smallestPart)
                }
                // The encoder still runs; all full parts arrive without a further call.
                let deadline = ContinuousClock.now + .seconds(10)
                while upload.measures.bytesSent < 20 << 20, ContinuousClock.now < deadline {
                    Thread.sleep(forTimeInterval: 0.01)
                }
                #expect(upload.measures.bytesSent == 20 << 20)
                let before = proxy.requests.compactMap(\.subject)
                try upload.finish(head: Noise.bytes(5 << 20, seed: 99))
                return (before, proxy.requests.compactMap(\.subject))
            }
            let parts = { (subjects: [String]) in subjects.filter { $0.hasPrefix("UploadPart") } }
            #expect(Set(parts(subjects.0)) == ["UploadPart 2", "UploadPart 3", "UploadPart 4", "UploadPart 5"])
            #expect(parts(subjects.1).last == "UploadPart 1")
            #expect(parts(subjects.1).count == 6)
        }
    }

    @Test func `who says how much is to come finds all of it sent at the end but for the last two MiB`() async throws {
        try await StorageProxy.beforeSeaweedFS(partBytes: 8 << 20) { _, store, _ in
            let key = "end/\(UUID()).mp4"
            try await onThread {
                let upload = try store.upload(key: key) { _ in }
                for written in 1...23 {
                    upload.expect(bytesToCome: Int64((23 - written) << 20))
                    try upload.write(Noise.bytes(1 << 20, seed: UInt64(written)), headLength: PartLayout.smallestPart)
                }
                let deadline = ContinuousClock.now + .seconds(10)
                while upload.measures.bytesSent < 21 << 20, ContinuousClock.now < deadline {
                    Thread.sleep(forTimeInterval: 0.01)
                }
                #expect(upload.measures.bytesSent == 21 << 20)
                try upload.finish(head: Noise.bytes(5 << 20))
                #expect(try store.head(key: key, isCancelled: never)?.bytes == 28 << 20)
            }
        }
    }

    @Test func `a slow line holds the writer back: never more than three parts are in memory`() async throws {
        try await StorageProxy.beforeSeaweedFS { proxy, store, _ in
            proxy.setBandwidth(up: .init(total: 40_000_000))
            let piece = Noise.bytes(1 << 20)
            let key = "slow/\(UUID()).mp4"
            try await onThread {
                let upload = try store.upload(key: key) { _ in }
                var most: Int64 = 0
                for count in 1...64 {
                    try upload.write(piece, headLength: PartLayout.smallestPart)
                    most = max(most, Int64(count << 20) - upload.measures.bytesSent)
                }
                #expect(most <= Int64(3 * PartLayout.smallestPart))
                #expect(most > Int64(PartLayout.smallestPart))
                try upload.finish(head: Noise.bytes(5 << 20))
                #expect(try store.head(key: key, isCancelled: never)?.bytes == 69 << 20)
            }
        }
    }

    @Test(arguments: [4 << 20, 12 << 20])
    func `bytes that leave on a slow line are counted long before a part is confirmed`(bodyBytes: Int) async throws {
        try await StorageProxy.beforeSeaweedFS { proxy, store, _ in
            proxy.setBandwidth(up: .init(total: 2_000_000))
            let upload = try store.upload(key: "slow/\(UUID()).mp4") { _ in }
            async let ended: Void = onThread {
                try upload.write(Noise.bytes(bodyBytes), headLength: PartLayout.smallestPart)
                try upload.finish(head: Noise.bytes(5 << 20))
            }
            // In each second, though the store has confirmed nothing yet.
            try await Task.sleep(for: .seconds(0.5))
            var last = upload.measures
            for _ in 0..<2 {
                try await Task.sleep(for: .seconds(0.7))
                let now = upload.measures
                #expect(now.bytesSent == 0)
                #expect(now.bytesTransmitted > last.bytesTransmitted)
                last = now
            }
            proxy.setBandwidth()
            try await ended
            #expect(upload.measures.bytesTransmitted == Int64(bodyBytes + 5 << 20))
        }
    }

    @Test func `time in which a slow encoder sends nothing is not held against the store`() async throws {
        var policy = SeaweedFS.hasty
        policy.totalSeconds = 1
        try await StorageProxy.beforeSeaweedFS(policy: policy) { proxy, store, _ in
            let key = "encoder/\(UUID()).mp4"
            proxy.setFaults([.part(2, .refuse(.s3(503)), times: 2)])
            try await onThread {
                let upload = try store.upload(key: key) { _ in }
                try upload.write(Noise.bytes(5 << 20), headLength: PartLayout.smallestPart)
                Thread.sleep(forTimeInterval: 2)
                try upload.write(Noise.bytes(5 << 20), headLength: PartLayout.smallestPart)
                try upload.finish(head: Noise.bytes(5 << 20))
                #expect(try store.head(key: key, isCancelled: never)?.bytes == 15 << 20)
                try store.delete(key: key, isCancelled: never)
            }
        }
    }
}
