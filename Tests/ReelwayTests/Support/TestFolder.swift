import Foundation
import NIOCore
import NIOPosix

/// A folder that is there as long as this is.
final class TestFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "reelway-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and the folders it is in.
    func write(_ name: String, _ content: Data) throws {
        let url = URL(fileURLWithPath: path).appendingPathComponent(name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try content.write(to: url)
    }
}

/// A client that asks and then sleeps.
enum SleepingReader {
    private final class Asleep: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
    }

    /// Whether the server ends a connection whose client takes nothing.
    static func isCutOff(port: Int, request: String, within seconds: Int64) async throws -> Bool {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelOption(.socketOption(.so_rcvbuf), value: 8192)
            .channelInitializer { $0.pipeline.addHandler(Asleep()) }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: request))
        // Awake at last, the client finds what had been sent, and then the end.
        try await Task.sleep(for: .seconds(2))
        try await channel.setOption(.autoRead, value: true)
        channel.read()
        let begun = ContinuousClock.now
        let timer = channel.eventLoop.scheduleTask(in: .seconds(seconds)) { channel.close(promise: nil) }
        try await channel.closeFuture.get()
        timer.cancel()
        return ContinuousClock.now - begun < .seconds(seconds) - .milliseconds(500)
    }
}
