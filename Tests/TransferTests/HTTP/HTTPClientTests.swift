import Foundation
import Synchronization
import Testing

@testable import Transfer

struct HTTPClientTests {
    @Test func `an answer comes whole with its head`() throws {
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                connection.answer(201, ["X-Twice: a", "x-twice:  b ", "Empty:"], Array(request.head.utf8))
            }
        }
        let client = HTTPClient(.local)
        let response = try client.send(
            HTTPRequest("GET", "\(server.url)/a/../b?z=1&a=2", headers: [("X-A", "1"), ("X-B", "")]))
        let head = String(decoding: response.body, as: UTF8.self)
        #expect(response.head.status == 201)
        #expect(response.head["X-TWICE"] == "a")
        #expect(response.head.headers.map(\.value).suffix(3) == ["a", "b", ""])
        #expect(head.hasPrefix("GET /a/../b?z=1&a=2 HTTP/1.1\r\n"))
        #expect(head.contains("\r\nX-A: 1\r\n"))
        #expect(head.contains("\r\nX-B:"))
        #expect(!head.contains("Expect") && !head.contains("Accept-Encoding"))
    }

    @Test(arguments: [0, 1, 70_000, 3_000_000])
    func `a body is sent with its length and counted`(size: Int) throws {
        let server = try ScriptedServer { connection in
            while let request = connection.request() { connection.answer(200, [request.head.lengthLine], request.body) }
        }
        let client = HTTPClient(.local)
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        var request = HTTPRequest("PUT", server.url, body: body)
        request.maximumResponseBytes = size
        let response = try client.send(request)
        #expect(response.head["X-Length"] == "\(size)")
        #expect(response.body == body)
    }

    @Test func `a request without a body says so where a body is usual`() throws {
        let server = try ScriptedServer { connection in
            while let request = connection.request() { connection.answer(200, [request.head.lengthLine]) }
        }
        let client = HTTPClient(.local)
        #expect(try client.send(HTTPRequest("POST", server.url)).head["X-Length"] == "0")
        #expect(try client.send(HTTPRequest("GET", server.url)).head["X-Length"] == "none")
        #expect(try client.send(HTTPRequest("DELETE", server.url)).head["X-Length"] == "none")
        #expect(try client.send(HTTPRequest("HEAD", server.url)).head["X-Length"] == "none")
        #expect(server.connections == 1)
    }

    @Test func `a loopback address is refused unless private hosts are allowed`() throws {
        let server = try ScriptedServer { _ in }
        let client = HTTPClient()
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"] {
            let error = #expect(throws: TransferError.self) {
                try client.send(HTTPRequest("GET", "http://\(host):\(server.port)/secret?token=abc"))
            }
            #expect(error?.code == .sourceForbidden, "\(host)")
            #expect(error?.message.contains("token") == false)
        }
        #expect(server.connections == 0)
    }

    @Test func `shutting down ends an exchange`() throws {
        let server = try ScriptedServer { _ = $0.waitForClose(seconds: 20) }
        let client = HTTPClient(.local)
        let recorder = Recorder()
        client.start(HTTPRequest("GET", server.url), receiver: recorder)
        Thread.sleep(forTimeInterval: 0.1)
        client.shutdown()
        #expect(recorder.code == .sourceUnavailable)
        #expect(throws: TransferError.self) { try client.send(HTTPRequest("GET", server.url)) }
    }

    @Test func `a task's cancellation ends its exchange`() async throws {
        let server = try ScriptedServer { _ = $0.waitForClose(seconds: 20) }
        let client = HTTPClient(.local)
        let url = server.url
        let task = Task { try await client.response(to: HTTPRequest("GET", url)) }
        try await Task.sleep(for: .milliseconds(100))
        task.cancel()
        let error = await #expect(throws: TransferError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }
}

extension HTTPClient.Options {
    /// For servers on loopback.
    static var local: HTTPClient.Options {
        var options = HTTPClient.Options()
        options.allowsPrivateHosts = true
        options.stallSeconds = 5
        return options
    }
}

extension String {
    fileprivate var lengthLine: String {
        let line = split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
        return "X-Length: \(line?.split(separator: " ").last ?? "none")"
    }
}

/// Keeps what an exchange delivered.
final class Recorder: HTTPReceiver {
    private struct State {
        var head: HTTPHead?
        var body: [UInt8] = []
        var sent: [Int] = []
        var results: [Result<Void, TransferError>] = []
    }
    private let state = Mutex(State())
    /// Decides what a receiver answers to each piece; told how many bytes it has taken.
    private let flow: @Sendable (Int) -> HTTPFlow

    init(flow: @escaping @Sendable (Int) -> HTTPFlow = { _ in .more }) { self.flow = flow }

    var head: HTTPHead? { state.withLock { $0.head } }
    var body: [UInt8] { state.withLock { $0.body } }
    var sent: [Int] { state.withLock { $0.sent } }
    var completions: Int { state.withLock { $0.results.count } }
    var isComplete: Bool { completions > 0 }
    var code: TransferError.Code? {
        guard case .failure(let error)? = state.withLock({ $0.results.first }) else { return nil }
        return error.code
    }

    func receive(_ head: HTTPHead) -> HTTPFlow {
        state.withLock { $0.head = head }
        return .more
    }
    func receive(_ bytes: RawSpan) -> HTTPFlow {
        let answer = flow(state.withLock { $0.body.count })
        if answer == .more {
            state.withLock { state in bytes.withUnsafeBytes { state.body += $0 } }
        }
        return answer
    }
    func sent(_ bytes: Int) { state.withLock { $0.sent.append(bytes) } }
    func complete(_ result: Result<Void, TransferError>) { state.withLock { $0.results.append(result) } }

    /// Whether the exchange ended in time.
    func wait(seconds: Double = 10) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while !isComplete, deadline.timeIntervalSinceNow > 0 { usleep(5000) }
        return isComplete
    }
}
