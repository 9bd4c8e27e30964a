import Foundation
import Glibc
import OneDriveSandbox

@testable import Transfer

/// A sandbox with one file of noise, and a client that reads from it.
final class Drive: Sendable {
    let sandbox: OneDriveSandbox
    let client: HTTPClient
    let oneDrive: OneDrive
    let bytes: [UInt8]
    let folder: String
    let file = "clip.mp4"

    /// Short pauses, so that a test of eight failures takes no minute.
    static var retry: RetryPolicy {
        var retry = RetryPolicy()
        retry.attempts = 4
        retry.baseSeconds = 0.02
        retry.totalSeconds = 20
        return retry
    }

    static func start(
        size: Int, options: SandboxOptions = .init(), stallSeconds: Double = 1,
        settings change: (inout OneDrive.Settings) -> Void = { _ in }, store: any RefreshTokenStore = MemoryTokenStore()
    ) async throws -> Drive {
        let folder = NSTemporaryDirectory() + "drive-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let bytes = noise(size)
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/clip.mp4"))
        let sandbox = try await OneDriveSandbox.start(folder: folder, options: options)
        var settings = OneDrive.Settings(.refreshToken(options.refreshToken))
        settings.tenant = options.tenant
        settings.clientID = options.clientID
        settings.clientSecret = options.clientSecret
        settings.graphURL = sandbox.graphURL
        settings.loginURL = sandbox.loginURL
        settings.downloadHosts = [sandbox.downloadHost]
        settings.allowsHTTP = true
        change(&settings)
        return Drive(sandbox, folder, bytes, settings, store, stallSeconds)
    }

    private init(
        _ sandbox: OneDriveSandbox, _ folder: String, _ bytes: [UInt8], _ settings: OneDrive.Settings,
        _ store: any RefreshTokenStore, _ stallSeconds: Double
    ) {
        var options = HTTPClient.Options.local
        options.stallSeconds = stallSeconds
        self.sandbox = sandbox
        self.folder = folder
        self.bytes = bytes
        client = HTTPClient(options)
        oneDrive = OneDrive(settings, client: client, store: store, retry: Drive.retry)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func stop() async {
        client.shutdown()
        await sandbox.stop()
    }

    var item: OneDriveItem {
        get async throws { try await oneDrive.item(sandbox.itemID(for: file)) }
    }

    func open(window: Int64 = 32 << 20, connections: Int = 2) async throws -> RangedSource {
        var options = RangedSource.Options()
        options.windowBytes = window
        options.connections = connections
        options.retry = Drive.retry
        options.longestHold = Drive.retry.totalSeconds
        return try await oneDrive.open(try await item, options: options)
    }

    /// The bytes that a reader in sequence gets, with the hash checked at the end.
    func readAll(window: Int64 = 32 << 20, connections: Int = 2) async throws -> [UInt8] {
        let source = try await open(window: window, connections: connections)
        defer { source.close() }
        return try await onThread {
            let bytes = try source.readAll()
            guard try source.verify() || self.sandbox.options.publishesHashes == false else {
                throw TransferError(.internal, "the hash was not compared")
            }
            return bytes
        }
    }

    /// Bytes without a pattern, the same in every run.
    static func noise(_ size: Int) -> [UInt8] {
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        var bytes = [UInt8](repeating: 0, count: (size + 7) / 8 * 8)
        bytes.withUnsafeMutableBytes { buffer in
            for offset in stride(from: 0, to: buffer.count, by: 8) {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
            }
        }
        bytes.removeLast(bytes.count - size)
        return bytes
    }
}

extension RangedSource {
    /// Some bytes from somewhere.
    func bytes(_ count: Int, at offset: Int64) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let read = try bytes.withUnsafeMutableBytes { buffer in
                var span = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).mutableBytes
                return try self.read(into: &span, at: offset + Int64(filled))
            }
            if read == 0 { break }
            filled += read
        }
        bytes.removeLast(count - filled)
        return bytes
    }

    /// All bytes in sequence, as a demuxer reads them.
    func readAll() throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = try bytes(128 << 10, at: Int64(all.count))
            all += piece
            if piece.count < 128 << 10 { return all }
        }
    }
}

/// Runs what blocks on a thread of its own.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

/// What this process holds on to now.
struct Holdings: Equatable {
    var threads: Int
    var sockets: Int

    static var now: Holdings {
        let files = FileManager.default
        let threads = (try? files.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
        let descriptors = (try? files.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        let sockets = descriptors.count {
            (try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.hasPrefix("socket:") == true
        }
        return Holdings(threads: threads, sockets: sockets)
    }

    /// What is held once it is no more than expected, or after five seconds: threads and sockets end in their own time.
    static func settled(within expected: Holdings) async -> Holdings {
        var held = now
        for _ in 0..<100 where held.threads > expected.threads || held.sockets > expected.sockets {
            try? await Task.sleep(for: .milliseconds(50))
            held = now
        }
        return held
    }

    /// Resident memory in bytes.
    static var resident: Int64 {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int64(fields[1]) ?? 0) * 4096 : 0
    }
}
