import Foundation
import LoopbackHTTP
import NIOCore
import NIOHTTP1
import NIOPosix

/// The store behind a proxy: one connection for each request.
struct Upstream: Sendable {
    typealias RequestPart = HTTPPart<HTTPRequestHead, ByteBuffer>

    /// The address can't be used, or the store broke its own answer off.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// `HOST:PORT`, as a Host header says it.
    var authority: String { "\(host):\(port)" }

    private let host: String
    private let port: Int

    init(_ address: String) throws {
        guard let parts = URLComponents(string: address), parts.scheme == "http", let host = parts.host else {
            throw Failure(description: "the store's address must be http://HOST:PORT")
        }
        self.host = host
        port = parts.port ?? 80
    }

    /// Where the request's body goes.
    struct Body {
        fileprivate let channel: any Channel

        func send(_ bytes: ByteBuffer) async throws {
            try await channel.writeAndFlush(RequestPart.body(bytes)).get()
        }
    }

    /// Where the answer's body comes from.
    final class Answer {
        private var parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator

        fileprivate init(_ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>.AsyncIterator) {
            self.parts = parts
        }

        fileprivate func head() async throws -> HTTPResponseHead {
            guard case .head(let head) = try await parts.next() else {
                throw Failure(description: "the store closed the connection without an answer")
            }
            return head
        }

        func next() async throws -> ByteBuffer? {
            switch try await parts.next() {
            case .body(let bytes): return bytes
            case .end: return nil
            case .head, nil: throw Failure(description: "the store broke its answer off")
            }
        }

        func collect() async throws -> ByteBuffer {
            var whole = ByteBuffer()
            while var bytes = try await next() { whole.writeBuffer(&bytes) }
            return whole
        }

        func discard() async throws { while try await next() != nil {} }
    }

    /// Sends a request with a small body and collects the answer.
    func fetch(_ request: LoopbackRequest, body: ByteBuffer = ByteBuffer()) async throws -> Reply {
        var reply = Reply(status: 0, headers: [], body: ByteBuffer())
        try await exchange(request) { store in
            if body.readableBytes > 0 { try await store.send(body) }
        } answer: { status, headers, answer in
            reply = Reply(status: status, headers: headers, body: try await answer.collect())
        }
        return reply
    }

    /// A collected answer.
    struct Reply {
        var status: Int
        var headers: [(name: String, value: String)]
        var body: ByteBuffer

        subscript(name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// Sends a request as it arrived, its body by `body`, and hands over the answer. A store that answers before it has
    /// read the body is heard.
    func exchange(
        _ request: LoopbackRequest, body: (Body) async throws -> Void,
        answer: (Int, [(name: String, value: String)], Answer) async throws -> Void
    ) async throws {
        let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(RequestParts())
                    return try NIOAsyncChannel<HTTPClientResponsePart, RequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        try await connection.executeThenClose { inbound, _ in
            let channel = connection.channel
            let reply = Answer(inbound.makeAsyncIterator())
            let head = HTTPRequestHead(
                version: .http1_1, method: .init(rawValue: request.method), uri: request.target,
                headers: HTTPHeaders(request.headers.map { ($0.name, $0.value) }))
            try await channel.writeAndFlush(RequestPart.head(head)).get()
            do {
                try await body(Body(channel: channel))
                try await channel.writeAndFlush(RequestPart.end(nil)).get()
            } catch is ChannelError {
                // The store has answered and closed: what it said comes next.
            } catch is IOError {
                // Likewise.
            }
            let found = try await reply.head()
            let headers = found.headers.filter { $0.name.lowercased() != "connection" }
            try await answer(Int(found.status.code), headers.map { ($0.name, $0.value) }, reply)
        }
    }
}

/// Turns parts that may cross threads into the encoder's own.
private final class RequestParts: ChannelOutboundHandler {
    typealias OutboundIn = Upstream.RequestPart
    typealias OutboundOut = HTTPClientRequestPart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part: HTTPClientRequestPart =
            switch Self.unwrapOutboundIn(data) {
            case .head(let head): .head(head)
            case .body(let bytes): .body(.byteBuffer(bytes))
            case .end(let trailers): .end(trailers)
            }
        context.write(Self.wrapOutboundOut(part), promise: promise)
    }
}
