import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP/1.1 server on 127.0.0.1 whose answers may break every rule: it can reset, cut, stall and pace a connection.
///
/// ```
/// accept ─▶ Connection ─▶ Exchange (one request, one answer) ─▶ handler
///              │              │ send(head), send(bytes), finish() … or reset(), close()
///              │              └ paced by the server's Throttle, told to the Journal
///              └ kept open for the next request unless one of both sides ends it
/// ```
public final class LoopbackServer: Sendable {
    /// Answers one request. What it throws ends the connection.
    public typealias Handler = @Sendable (Exchange) async throws -> Void

    typealias ResponsePart = HTTPPart<HTTPResponseHead, ByteBuffer>
    private typealias Accepted = NIOAsyncChannel<HTTPServerRequestPart, ResponsePart>

    /// The port it listens on.
    public let port: Int

    private let listener: any Channel
    private let running: Task<Void, Never>
    private let connections: OpenConnections

    /// Listens, and answers until `stop`.
    ///
    /// - Parameters:
    ///   - port: 0 takes a free one.
    ///   - journal: Records every request.
    ///   - throttle: Paces what is sent.
    ///   - intake: Paces what is received.
    ///   - handler: Called for each request; the requests of one connection come one after another.
    /// - Throws: When the port can't be had.
    public static func start(
        port: Int = 0, journal: Journal = Journal(), throttle: Throttle = Throttle(), intake: Throttle = Throttle(),
        handler: @escaping Handler
    ) async throws -> LoopbackServer {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Linux would take dozens of megabytes from a client at once, which no slow line does.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: 256 << 10)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                        withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false)
                    try channel.pipeline.syncOperations.addHandler(ResponseParts())
                    return try Accepted(wrappingChannelSynchronously: channel)
                }
            }
        let connections = OpenConnections()
        let running = Task(executorPreference: LoopExecutor(listener.channel.eventLoop)) {
            _ = try? await withThrowingDiscardingTaskGroup { group in
                try await listener.executeThenClose { accepted in
                    for try await channel in accepted {
                        connections.add(channel.channel)
                        let connection = Connection(journal, throttle: throttle, intake: intake)
                        group.addTask(executorPreference: LoopExecutor(channel.channel.eventLoop)) {
                            try? await serve(channel, connection, handler)
                        }
                    }
                }
                group.cancelAll()
            }
        }
        return LoopbackServer(
            port: listener.channel.localAddress?.port ?? port, listener.channel, running, connections)
    }

    private init(
        port: Int, _ listener: any Channel, _ running: Task<Void, Never>, _ connections: OpenConnections
    ) {
        self.port = port
        self.listener = listener
        self.running = running
        self.connections = connections
    }

    /// How many connections are open now.
    public var openConnections: Int { connections.count }

    /// Stops listening and drops every connection; returns when nothing of it runs any more.
    public func stop() async {
        // Not by cancelling: a connection just accepted would be dropped unserved, which NIO answers with a trap.
        try? await listener.close()
        connections.closeAll()
        await running.value
    }

    private static func serve(_ channel: Accepted, _ connection: Connection, _ handler: Handler) async throws {
        try await channel.executeThenClose { inbound, _ in
            var parts = inbound.makeAsyncIterator()
            while case .head(let head) = try await parts.next() {
                let exchange = Exchange(head, connection, channel.channel, parts)
                do {
                    try await handler(exchange)
                    guard try await exchange.settle() else { return }
                } catch {
                    exchange.end(.abandoned)
                    await exchange.close()
                    return
                }
                parts = exchange.remainingParts
            }
        }
    }
}

/// The channels to close at the end, and their numbers.
private final class OpenConnections: Sendable {
    private let state = Mutex((open: [Int: any Channel](), accepted: 0, isClosing: false))

    var count: Int { state.withLock { $0.open.count } }

    func add(_ channel: any Channel) {
        let (id, isClosing) = state.withLock { state in
            state.accepted += 1
            state.open[state.accepted] = channel
            return (state.accepted, state.isClosing)
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { _ = $0.open.removeValue(forKey: id) }
        }
        if isClosing { channel.close(promise: nil) }
    }

    /// Closes all that are open, and all that are still to come.
    func closeAll() {
        let open = state.withLock { state in
            state.isClosing = true
            return Array(state.open.values)
        }
        for channel in open { channel.close(promise: nil) }
    }
}

/// Turns parts that may cross threads into the encoder's own.
private final class ResponseParts: ChannelOutboundHandler {
    typealias OutboundIn = LoopbackServer.ResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part: HTTPServerResponsePart =
            switch Self.unwrapOutboundIn(data) {
            case .head(let head): .head(head)
            case .body(let bytes): .body(.byteBuffer(bytes))
            case .end(let trailers): .end(trailers)
            }
        context.write(Self.wrapOutboundOut(part), promise: promise)
    }
}
