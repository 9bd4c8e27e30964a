import Foundation
import NIOCore
import NIOPosix

/// A connection that sends bytes as they are, right or wrong, and reads answers.
///
/// No client library: the tests have to send what no library would, slowly, in halves and in torrents.
actor HTTPConnection {
    struct Answer: Sendable {
        var status: Int
        /// Names in small letters.
        var headers: [String: String]
        var body: Data

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: [String: Any] { (try? JSONSerialization.jsonObject(with: body) as? [String: Any]) ?? [:] }
        var errorCode: String? { (json["error"] as? [String: Any])?["code"] as? String }
    }

    /// The server closed the connection, or said nothing for too long.
    enum Fault: Error { case closed, silent }

    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private var received = Data()
    private var isClosed = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    private init(_ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>) { self.channel = channel }

    /// Connects, runs `body`, and closes.
    static func with<Value: Sendable>(
        port: Int, _ body: @Sendable @escaping (HTTPConnection) async throws -> Value
    ) async throws -> Value {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            let connection = HTTPConnection(channel)
            let reader = Task {
                do { for try await bytes in inbound { await connection.take(bytes) } } catch {}
                await connection.end()
            }
            defer { reader.cancel() }
            await connection.writes(to: outbound)
            return try await body(connection)
        }
    }

    private var outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>?

    private func writes(to outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) { self.outbound = outbound }

    private func take(_ bytes: ByteBuffer) {
        received.append(contentsOf: bytes.readableBytesView)
        wake()
    }

    private func end() {
        isClosed = true
        wake()
    }

    private func wake() {
        for continuation in waiting { continuation.resume() }
        waiting = []
    }

    /// Sends bytes as they are.
    func send(_ text: String) async throws {
        do {
            try await outbound?.write(ByteBuffer(string: text))
        } catch {
            throw Fault.closed
        }
    }

    /// Sends a request with its body.
    func request(
        _ method: String, _ path: String, headers: [String: String] = [:], body: String? = nil
    ) async throws -> Answer {
        var lines = ["\(method) \(path) HTTP/1.1"]
        if headers["host"] == nil { lines.append("host: localhost") }
        lines += headers.map { "\($0.key): \($0.value)" }
        if let body { lines.append("content-length: \(body.utf8.count)") }
        try await send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
        return try await answer(toHead: method == "HEAD")
    }

    /// Reads a whole answer.
    func answer(toHead: Bool = false, seconds: Double = 30) async throws -> Answer {
        var answer = try await head(seconds: seconds)
        if toHead || answer.status == 204 || answer.status == 304 { return answer }
        if answer.headers["transfer-encoding"] == "chunked" {
            while true {
                let size = Int(try await line(seconds: seconds), radix: 16) ?? 0
                answer.body += try await bytes(size, seconds: seconds)
                _ = try await bytes(2, seconds: seconds)
                if size == 0 { return answer }
            }
        }
        answer.body = try await bytes(answer.headers["content-length"].flatMap { Int($0) } ?? 0, seconds: seconds)
        return answer
    }

    /// Reads the head of an answer.
    func head(seconds: Double = 30) async throws -> Answer {
        let status = try await line(seconds: seconds).split(separator: " ")
        var headers: [String: String] = [:]
        while true {
            let field = try await line(seconds: seconds)
            if field.isEmpty { break }
            let parts = field.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        return Answer(status: status.count > 1 ? Int(status[1]) ?? 0 : 0, headers: headers, body: Data())
    }

    /// One line of the stream, without its end.
    func line(seconds: Double = 30) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let end = received.range(of: Data("\r\n".utf8)) {
                let line = String(decoding: received[received.startIndex..<end.lowerBound], as: UTF8.self)
                received = Data(received[end.upperBound...])
                return line
            }
            try await more(until: deadline)
        }
    }

    /// So many bytes of the stream.
    func bytes(_ count: Int, seconds: Double = 30) async throws -> Data {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while received.count < count { try await more(until: deadline) }
        let taken = received.prefix(count)
        received = Data(received.dropFirst(count))
        return Data(taken)
    }

    /// Whether the server closes the connection within so many seconds.
    func closes(within seconds: Double) async -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !isClosed {
            do { try await more(until: deadline) } catch { break }
        }
        return isClosed
    }

    private func more(until deadline: ContinuousClock.Instant) async throws {
        guard !isClosed else { throw Fault.closed }
        guard ContinuousClock.now < deadline else { throw Fault.silent }
        let timer = Task {
            try? await Task.sleep(until: deadline)
            self.wake()
        }
        defer { timer.cancel() }
        await withCheckedContinuation { waiting.append($0) }
    }
}

/// One Server-Sent Event.
struct SentEvent: Equatable, Sendable {
    var id: String?
    var name: String
    var data: String

    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any]) ?? [:] }
}

extension HTTPConnection {
    /// The next event of a stream whose head was read; comments are returned as events named `:`.
    func event(afterHead: Bool = false, seconds: Double = 30) async throws -> SentEvent {
        if afterHead { _ = try await head(seconds: seconds) }
        var event = SentEvent(id: nil, name: "message", data: "")
        while true {
            // Each write of the server is one chunk, and each event or comment is one write.
            let size = Int(try await line(seconds: seconds), radix: 16) ?? 0
            guard size > 0 else { throw Fault.closed }
            let text = String(decoding: try await bytes(size, seconds: seconds), as: UTF8.self)
            _ = try await bytes(2, seconds: seconds)
            if text.hasPrefix(":") { return SentEvent(id: nil, name: ":", data: text) }
            for line in text.split(separator: "\n") {
                let parts = line.split(separator: ":", maxSplits: 1)
                let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
                switch parts[0] {
                case "id": event.id = value
                case "event": event.name = value
                case "data": event.data += value
                default: break
                }
            }
            if !event.data.isEmpty { return event }
        }
    }
}
