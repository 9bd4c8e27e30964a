import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Synchronization
import Testing

@testable import Transfer

@Suite(.serialized)
struct RangedSourceTests {
    private static let mebi = 1 << 20

    @Test(arguments: [0, 1, 100, 262_143, 262_144, 262_145, 5_000_001])
    func `a file of any size comes whole`(size: Int) async throws {
        let drive = try await Drive.start(size: size)
        let source = try await drive.open()
        #expect(source.length == Int64(size))
        #expect(source.isSeekable)
        #expect(source.name == drive.file)
        let bytes = try await onThread { try source.readAll() }
        #expect(bytes == drive.bytes)
        #expect(try await onThread { try source.verify() })
        #expect(source.computedQuickXorHash == (try await drive.sandbox.quickXorHash(of: drive.file)))
        #expect(source.bytesDownloaded == Int64(size))
        await drive.stop()
    }

    @Test func `the index at the end of a long file costs little, and going back to the start nothing`() async throws {
        var options = SandboxOptions()
        options.publishesHashes = false
        let drive = try await Drive.start(size: 200 * RangedSourceTests.mebi, options: options, stallSeconds: 20)
        let source = try await drive.open()
        let bytes = drive.bytes
        let atStart = try await onThread {
            // As libavformat does: the first boxes, the index at the end, the first frames.
            let end = Int64(bytes.count)
            #expect(try source.bytes(32 << 10, at: 0) == Array(bytes[..<(32 << 10)]))
            let index = try source.bytes(400 << 10, at: end - 400 << 10)
            #expect(index == Array(bytes[(bytes.count - 400 << 10)...]))
            let before = source.bytesDownloaded
            #expect(try source.bytes(128 << 10, at: 0) == Array(bytes[..<(128 << 10)]))
            return before
        }
        #expect(atStart < 1 << 20)
        #expect(source.bytesDownloaded < 2 << 20)
        #expect(drive.sandbox.downloadRequests.count <= 5)
        source.close()
        await drive.stop()
    }

    @Test func `reading anywhere gives the bytes of there`() async throws {
        let drive = try await Drive.start(size: 20 * RangedSourceTests.mebi + 12_345)
        let source = try await drive.open(window: 4 << 20)
        let bytes = drive.bytes
        try await onThread { () throws in
            var random = SplitMix(seed: 7)
            for _ in 0..<120 {
                let start = Int.random(in: 0..<bytes.count, using: &random)
                let count = min(Int.random(in: 1...300_000, using: &random), bytes.count - start)
                #expect(try source.bytes(count, at: Int64(start)) == Array(bytes[start..<start + count]))
            }
            #expect(try source.bytes(10, at: Int64(bytes.count)) == [])
            #expect(try source.bytes(10, at: Int64(bytes.count) - 3) == Array(bytes.suffix(3)))
        }
        source.close()
        await drive.stop()
    }

    @Test func `two places read in turn are fetched once each`() async throws {
        // Sound far from its picture, as some cameras write it.
        let drive = try await Drive.start(size: 40 * RangedSourceTests.mebi)
        let source = try await drive.open(window: 16 << 20)
        let bytes = drive.bytes
        try await onThread { () throws in
            for step in 0..<96 {
                for base in [0, 20 * RangedSourceTests.mebi] {
                    let start = base + step * 131_072
                    #expect(try source.bytes(131_072, at: Int64(start)) == Array(bytes[start..<start + 131_072]))
                }
            }
        }
        let received = source.download.received
        #expect(received.count == received.intervals.ranges.reduce(0) { $0 + Int64($1.count) })
        source.close()
        await drive.stop()
    }

    /// In a process of its own, so that the memory is this source's.
    @Test(
        .disabled(if: ProcessInfo.processInfo.environment["REELWAY_TEST_SANITIZER"] != nil, "it keeps what was freed"))
    func `the window bounds memory, however long the file and slow the reader`() async {
        await #expect(processExitsWith: .success) {
            let size = 96 << 20
            let drive = try await Drive.start(size: size, stallSeconds: 30)
            let source = try await drive.open(window: 8 << 20)
            let before = Holdings.resident
            let most = try await onThread {
                var most: Int64 = 0
                var offset = 0
                while offset < size {
                    offset += try source.bytes(1 << 20, at: Int64(offset)).count
                    if offset % (16 << 20) == 0 { usleep(100_000) }
                    most = max(most, Holdings.resident)
                }
                #expect(try source.verify())
                return most
            }
            #expect(most - before < 24 << 20, "\((most - before) >> 20) MiB")
            source.close()
            await drive.stop()
        }
    }

    @Test func `the window stays full ahead of a slow reader and no fuller`() async throws {
        let drive = try await Drive.start(size: 64 * RangedSourceTests.mebi)
        let source = try await drive.open(window: 16 << 20)
        _ = try await onThread { try source.bytes(8 << 20, at: 0) }
        try await Task.sleep(for: .seconds(1))
        #expect((19 << 20)...(24 << 20) ~= source.bytesDownloaded)
        source.close()
        await drive.stop()
    }

    @Test func `two connections beat one where the server limits each`() async throws {
        let drive = try await Drive.start(size: 6 * RangedSourceTests.mebi)
        drive.sandbox.setBandwidth(perConnection: 1.5e6)
        let time = { (connections: Int) async throws -> Duration in
            let start = ContinuousClock.now
            #expect(try await drive.readAll(connections: connections) == drive.bytes)
            return ContinuousClock.now - start
        }
        let one = try await time(1)
        let two = try await time(2)
        #expect(two < one * 0.8, "\(two) after \(one)")
        await drive.stop()
    }

    @Test func `an abort ends a waiting read within a second`() async throws {
        let drive = try await Drive.start(size: 1_000_000, stallSeconds: 30)
        let source = try await drive.open()
        drive.sandbox.setFaults([Fault(.stall(at: 900_000, seconds: 60), times: Fault.always)])
        let reading = Task { try await onThread { try source.readAll() } }
        try await Task.sleep(for: .milliseconds(300))
        let clock = ContinuousClock()
        let start = clock.now
        source.abort()
        let error = await #expect(throws: TransferError.self) { try await reading.value }
        #expect(error?.code == .cancelled)
        #expect(clock.now - start < .seconds(1))
        await drive.stop()
    }

    @Test func `an abort ends a rest that the server asked for, which is told from a hang`() async throws {
        let drive = try await Drive.start(size: 6_000_000)
        let source = try await drive.open(window: 1 << 20)
        drive.sandbox.setFaults([Fault(.status(code: 429, retryAfter: 15), times: Fault.always)])
        let reading = Task { try await onThread { try source.readAll() } }
        try await Task.sleep(for: .seconds(1))
        let before = source.lastHeld
        try await Task.sleep(for: .seconds(0.5))
        #expect(source.lastHeld > before)
        let start = ContinuousClock.now
        source.abort()
        let error = await #expect(throws: TransferError.self) { try await reading.value }
        #expect(error?.code == .cancelled)
        #expect(.now - start < .seconds(1))
        await drive.stop()
    }

    @Test func `a client that is shut down ends a waiting read`() async throws {
        let drive = try await Drive.start(size: 1_000_000, stallSeconds: 30)
        let source = try await drive.open()
        drive.sandbox.setFaults([Fault(.stall(at: 900_000, seconds: 60), times: Fault.always)])
        let reading = Task { _ = try await onThread { try source.readAll() } }
        try await Task.sleep(for: .milliseconds(300))
        let start = ContinuousClock.now
        drive.client.shutdown()
        await #expect(throws: TransferError.self) { try await reading.value }
        #expect(ContinuousClock.now - start < .seconds(1))
        await drive.stop()
    }

    @Test func `a cancelled opening ends`() async throws {
        let drive = try await Drive.start(size: 1000, stallSeconds: 30)
        let item = try await drive.item
        drive.sandbox.setFaults([Fault(.delay(seconds: 20), on: .download)])
        let opening = Task { try await drive.oneDrive.open(item) }
        try await Task.sleep(for: .milliseconds(200))
        opening.cancel()
        let error = await #expect(throws: TransferError.self) { try await opening.value }
        #expect(error?.code == .cancelled)
        await drive.stop()
    }

    /// In a process of its own, where nothing else opens sockets or threads.
    @Test func `nothing is left behind: no connection, no thread`() async {
        await #expect(processExitsWith: .success) {
            let drive = try await Drive.start(size: 2_000_000)
            _ = try await drive.readAll()
            let before = Holdings.now
            for fault in [Fault.Action.reset(at: 1_000_000), .close(at: 0), .status(code: 401), .flip(at: 5)] {
                drive.sandbox.setFaults([Fault(fault)])
                _ = try? await drive.readAll()
            }
            for _ in 0..<3 {
                let source = try await drive.open()
                _ = try await onThread { try source.bytes(10, at: 1_500_000) }
            }
            // Kept for reuse: two ends of each connection, and no more connections than there may be.
            let kept = Holdings(threads: before.threads, sockets: before.sockets + 4)
            let after = await Holdings.settled(within: kept)
            #expect(after.threads <= kept.threads)
            #expect(after.sockets <= kept.sockets)
            drive.client.shutdown()
            for _ in 0..<100 where drive.sandbox.openConnections > 0 { try await Task.sleep(for: .milliseconds(50)) }
            #expect(drive.sandbox.openConnections == 0)
            await drive.stop()
        }
    }
}

/// A random generator with a seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
