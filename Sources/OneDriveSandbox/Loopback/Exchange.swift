internal import Glibc
public import NIOCore
internal import NIOHTTP1

/// A request as it arrived.
public struct LoopbackRequest: Sendable {
    /// `GET`, `PUT` …
    public let method: String
    /// Path and query exactly as sent.
    public let target: String
    /// In the order sent.
    public let headers: [(name: String, value: String)]

    /// Makes a request, to pass it on in another shape.
    public init(method: String, target: String, headers: [(name: String, value: String)]) {
        self.method = method
        self.target = target
        self.headers = headers
    }

    /// The part of the target before `?`.
    public var path: String { target.firstIndex(of: "?").map { String(target[..<$0]) } ?? target }

    /// The part of the target after `?`; `nil` without one.
    public var query: String? {
        target.firstIndex(of: "?").map { String(target[target.index(after: $0)...]) }
    }

    /// The first header of that name, whatever its case.
    public subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// One TCP connection.
public final class Connection: Sendable {
    /// Counts from 1 for each journal.
    public let id: Int
    let journal: Journal
    let throttle: Throttle
    let intake: Throttle
    let outgoing = Pacer()
    let incoming = Pacer()

    init(_ journal: Journal, throttle: Throttle, intake: Throttle) {
        id = journal.nextConnection()
        self.journal = journal
        self.throttle = throttle
        self.intake = intake
    }
}

/// One request and the answer to it. Belongs to the task that runs the handler.
public final class Exchange {
    /// What was asked.
    public let request: LoopbackRequest
    /// On which connection.
    public let connection: Connection
    /// Its number in the journal.
    public let index: Int

    typealias Parts = NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator

    private(set) var remainingParts: Parts
    private let channel: any Channel
    private var keepsAlive: Bool
    private var awaitsContinue: Bool
    private var isRead = false
    private var isAnswered = false
    private var isClosed = false
    private var hasSent = false
    private var hasReceived = false
    private var unread: ByteBuffer?

    init(_ head: HTTPRequestHead, _ connection: Connection, _ channel: any Channel, _ parts: Parts) {
        request = LoopbackRequest(
            method: head.method.rawValue, target: head.uri, headers: head.headers.map { ($0.name, $0.value) })
        self.connection = connection
        self.channel = channel
        index = connection.journal.open(request, connection: connection.id)
        remainingParts = parts
        keepsAlive = head.isKeepAlive
        awaitsContinue = head.headers["expect"].contains { $0.lowercased() == "100-continue" }
    }

    // MARK: The request's body

    /// The next bytes of the request's body, paced; `nil` at its end.
    /// - Throws: When the client has gone.
    public func receive() async throws -> ByteBuffer? {
        if unread == nil {
            guard !isRead else { return nil }
            if awaitsContinue, !isAnswered {
                awaitsContinue = false
                try await write(.head(HTTPResponseHead(version: .http1_1, status: .continue)))
            }
            switch try await remainingParts.next() {
            case .body(let bytes): unread = bytes
            case .head, .end: isRead = true
            case nil: throw ConnectionEnded()
            }
        }
        guard var bytes = unread, let slice = bytes.readSlice(length: min(bytes.readableBytes, connection.intake.step))
        else { return nil }
        unread = bytes.readableBytes > 0 ? bytes : nil
        try await connection.intake.pass(
            slice.readableBytes, on: connection.incoming, continuing: hasReceived)
        hasReceived = true
        note { $0.bytesReceived += Int64(slice.readableBytes) }
        return slice
    }

    /// The whole body.
    /// - Throws: When the client has gone or sends more than `limit` bytes.
    public func receiveAll(limit: Int = 1 << 20) async throws -> ByteBuffer {
        var whole = ByteBuffer()
        while var bytes = try await receive() {
            whole.writeBuffer(&bytes)
            guard whole.readableBytes <= limit else { throw ConnectionEnded() }
        }
        return whole
    }

    // MARK: The answer

    /// Sends status and headers. Without Content-Length the body is chunked.
    public func send(status: Int, headers: [(name: String, value: String)] = []) async throws {
        var fields = HTTPHeaders(headers.map { ($0.name, $0.value) })
        if !keepsAlive { fields.replaceOrAdd(name: "Connection", value: "close") }
        if fields["connection"].contains(where: { $0.lowercased() == "close" }) { keepsAlive = false }
        note { $0.status = status }
        isAnswered = true
        try await write(
            .head(HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: fields)))
    }

    /// Sends bytes of the body, paced. Returns when the kernel has taken them.
    public func send(_ bytes: ByteBuffer) async throws {
        var rest = bytes
        while let slice = rest.readSlice(length: min(rest.readableBytes, connection.throttle.step)),
            slice.readableBytes > 0
        {
            try await connection.throttle.pass(
                slice.readableBytes, on: connection.outgoing, continuing: hasSent)
            hasSent = true
            try await write(.body(slice))
            note { $0.bytesSent += Int64(slice.readableBytes) }
        }
    }

    /// Ends the answer.
    public func finish() async throws {
        end(.answered)
        try await write(.end(nil))
    }

    /// Writes into the journal what this request is about, or which fault it met.
    public func note(_ change: (inout RecordedRequest) -> Void) {
        connection.journal.update(index, change)
    }

    /// Sends a whole answer with its length; to HEAD without the body.
    public func answer(
        status: Int, headers: [(name: String, value: String)] = [], body: ByteBuffer = ByteBuffer()
    ) async throws {
        try await send(status: status, headers: headers + [("Content-Length", String(body.readableBytes))])
        if request.method != "HEAD" { try await send(body) }
        try await finish()
    }

    // MARK: The connection

    /// Ends the connection with a reset (RST), after what was sent has arrived at the client's kernel.
    public func reset() async {
        end(.cut)
        await drain()
        if let options = channel as? any SocketOptionProvider {
            try? await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        await close()
    }

    /// Ends the connection in order (FIN), whatever of the answer is missing.
    public func close() async {
        end(.cut)
        isClosed = true
        try? await channel.close().get()
    }

    /// Reads what is left of the request and tells whether the connection takes another.
    func settle() async throws -> Bool {
        if isClosed { return false }
        guard isAnswered else { throw ConnectionEnded() }
        while try await receive() != nil {}
        if !keepsAlive { await close() }
        return keepsAlive
    }

    /// Writes the outcome into the journal; the first stays.
    func end(_ outcome: RecordedRequest.Outcome) {
        note { entry in
            guard entry.outcome == .open else { return }
            entry.outcome = outcome
            entry.finished = .now
        }
    }

    /// A reset throws away what the kernel hasn't delivered yet: waits for that, a second at most.
    private func drain() async {
        guard let options = channel as? any SocketOptionProvider else { return }
        for _ in 0..<200 {
            guard let info = try? await options.getTCPInfo().get(), info.tcpi_unacked > 0 else { return }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func write(_ part: LoopbackServer.ResponsePart) async throws {
        guard !isClosed else { throw ConnectionEnded() }
        try await channel.writeAndFlush(part).get()
    }
}

/// The connection ended before the exchange did.
public struct ConnectionEnded: Error {
    /// Makes the error.
    public init() {}
}
