import NIOCore
import NIOPosix

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
        try await channel.setOption(.autoRead, value: true).get()
        channel.read()
        let begun = ContinuousClock.now
        let timer = channel.eventLoop.scheduleTask(in: .seconds(seconds)) { channel.close(promise: nil) }
        try await channel.closeFuture.get()
        timer.cancel()
        return ContinuousClock.now - begun < .seconds(seconds) - .milliseconds(500)
    }
}
