import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Cuts off clients that are too slow or send what isn't HTTP, so that none of them holds a connection for ever, and tells
/// those to go on that wait for leave to send a body.
///
/// ```
/// socket ─▶ HTTP decoder ─▶ ConnectionLimits ─▶ Hummingbird
///             head late: Hummingbird's idle timeout
///                          body late, reader asleep, bytes that are no HTTP: here
/// ```
final class ConnectionLimits: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// The bounds of one connection and of all.
    struct Limits: Sendable {
        /// How long a connection may wait for a whole request head, and be idle between requests.
        var idle: TimeAmount = .seconds(30)
        /// From a request's head to the end of its body.
        var request: TimeAmount = .seconds(20)
        /// How long a client may take nothing of an answer that is waiting for it.
        var response: TimeAmount = .seconds(30)
        /// Bytes of all header fields of a request.
        var headerBytes = 16 << 10
        /// Header fields of a request.
        var headerFields = 100
        /// Connections at once; more wait to be accepted.
        var connections = 512
        /// Streams of events at once; more are refused.
        var streams = 200
    }

    private let limits: Limits
    private var bodyDeadline: Scheduled<Void>?
    private var readerDeadline: Scheduled<Void>?
    private var unanswered = 0
    /// Whether the last request's body has yet to come to its end.
    private var isBodyOpen = false
    private var isAnswerBegun = false
    private var isClosing = false

    init(_ limits: Limits) { self.limits = limits }

    func handlerAdded(context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        guard let codec = try? pipeline.handler(type: HTTP1ToHTTPServerCodec.self) else { return }
        try? pipeline.addHandler(OldClients(), position: .before(codec))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosing else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            unanswered += 1
            isBodyOpen = true
            if unanswered == 1, Self.waitsForLeave(head) {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            bodyDeadline?.cancel()
            bodyDeadline = schedule(context, in: limits.request) { handler, context in
                handler.refuse(
                    context, .requestTimeout, ErrorCode.usage, "the request's body didn't arrive in time")
            }
        case .body: break
        case .end:
            isBodyOpen = false
            bodyDeadline?.cancel()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosing else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head: isAnswerBegun = true
        case .body: break
        case .end:
            isAnswerBegun = false
            unanswered -= 1
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        readerDeadline?.cancel()
        if !context.channel.isWritable {
            readerDeadline = schedule(context, in: limits.response) { _, context in context.close(promise: nil) }
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            context.fireErrorCaught(error)
            return
        }
        if case .headerOverflow = error {
            refuse(
                context, .requestHeaderFieldsTooLarge, ErrorCode.tooLarge,
                "the header fields are larger than \(limits.headerBytes >> 10) KiB or more than \(limits.headerFields)")
        } else {
            refuse(context, .badRequest, ErrorCode.usage, "the request is not HTTP/1.1")
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        cancelDeadlines()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { cancelDeadlines() }

    private func cancelDeadlines() {
        bodyDeadline?.cancel()
        readerDeadline?.cancel()
    }

    /// Answers where the client expects an answer to just these bytes, and closes: the body that is still to come may have
    /// been answered already, and a request before may not.
    private func refuse(
        _ context: ChannelHandlerContext, _ status: HTTPResponse.Status, _ code: ErrorCode, _ message: String
    ) {
        guard !isClosing else { return }
        isClosing = true
        guard !isAnswerBegun, unanswered == (isBodyOpen ? 1 : 0) else {
            context.close(promise: nil)
            return
        }
        let body = APIError(status, code.rawValue, message).body
        let head = HTTPResponse(
            status: status,
            headerFields: [
                .contentType: JSONAnswer.contentType, .contentLength: String(body.readableBytes), .connection: "close",
            ])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    /// Whether the client sends its body only when told to go on, and the body is one that will be read.
    private static func waitsForLeave(_ head: HTTPRequest) -> Bool {
        guard head.headerFields[.expect]?.lowercased() == "100-continue" else { return false }
        guard let length = head.headerFields[.contentLength].flatMap({ Int($0) }) else {
            return head.headerFields[.transferEncoding] != nil
        }
        return (1...Request.bodyLimit).contains(length)
    }

    private func schedule(
        _ context: ChannelHandlerContext, in time: TimeAmount,
        _ action: @escaping (ConnectionLimits, ChannelHandlerContext) -> Void
    ) -> Scheduled<Void> {
        context.eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
            guard let self else { return }
            action(self, context)
        }
    }
}
