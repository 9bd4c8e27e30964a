import Foundation
import Synchronization
import Testing

@testable import Transfer

@Suite(.serialized)
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
            #expect(error?.message.contains("token") == false && error?.message.contains("secret") == false)
        }
        #expect(server.connections == 0)
    }

    @Test func `a host without an address is an error that names it`() throws {
        let client = HTTPClient(HTTPClient.Options())
        let error = try #require(throws: TransferError.self) {
            try client.send(HTTPRequest("GET", "https://no-such-host.invalid/secret?tempauth=secret"))
        }
        #expect(error.code == .sourceUnavailable)
        #expect(error.message.contains("no-such-host.invalid") && !error.message.contains("secret"), "\(error)")
        client.shutdown()
    }

    @Test func `a pause holds the sender back and counts as no stall`() throws {
        let bytes = Drive.noise(20_000_000)
        let sent = Mutex(0)
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(bytes.count)\r\n\r\n")
            for start in stride(from: 0, to: bytes.count, by: 100_000) {
                connection.send(Array(bytes[start..<start + 100_000]))
                sent.withLock { $0 += 100_000 }
            }
        }
        var options = HTTPClient.Options.local
        options.stallSeconds = 0.5
        let client = HTTPClient(options)
        let isOpen = Mutex(false)
        let recorder = Recorder { taken in taken < 1_000_000 || isOpen.withLock { $0 } ? .more : .pause }
        let exchange = client.start(HTTPRequest("GET", server.url), receiver: recorder)
        Thread.sleep(forTimeInterval: 1.5)
        #expect(!recorder.isComplete)
        #expect(sent.withLock { $0 } < 16_000_000)
        isOpen.withLock { $0 = true }
        exchange.resume()
        #expect(recorder.wait())
        #expect(recorder.code == nil)
        #expect(recorder.body == bytes)
        #expect(recorder.completions == 1)
    }

    @Test(arguments: [0, 1000])
    func `silence ends an exchange after the stall time`(after sent: Int) throws {
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            if sent > 0 {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + String(repeating: "x", count: sent))
            }
            _ = connection.waitForClose(seconds: 10)
        }
        var options = HTTPClient.Options.local
        options.stallSeconds = 0.6
        let client = HTTPClient(options)
        let start = Date()
        let error = #expect(throws: TransferError.self) { try client.send(HTTPRequest("GET", server.url)) }
        #expect(error?.code == .sourceUnavailable)
        #expect((0.5...2).contains(-start.timeIntervalSinceNow))
    }

    @Test(arguments: ["HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "", "HTTP/1.1 103 Wait\r\n\r\n"])
    func `a byte now and then is as good as silence`(first: String) throws {
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send(first)
            let drop = first.contains(" 103 ") ? first : first.isEmpty ? "X-A: b\r\n" : " "
            if first.isEmpty { connection.send("HTTP/1.1 200 OK\r\n") }
            connection.drip(drop, for: 8)
        }
        var options = HTTPClient.Options.local
        options.stallSeconds = 0.6
        let client = HTTPClient(options)
        let start = Date()
        for method in ["GET", "POST"] {
            let request = HTTPRequest(method, server.url, body: method == "POST" ? [] : nil)
            let error = #expect(throws: TransferError.self) { try client.send(request) }
            #expect(error?.code == .sourceUnavailable)
        }
        #expect((1...6).contains(-start.timeIntervalSinceNow))
    }

    @Test func `the blanks that S3 sends while it makes an object keep the exchange`() throws {
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            connection.drip(" ", for: 1.5)
            connection.send("<done/>")
        }
        var options = HTTPClient.Options.local
        options.stallSeconds = 0.6
        var request = HTTPRequest("POST", server.url, body: [])
        request.mayDrip = true
        let answer = try HTTPClient(options).send(request)
        #expect(String(decoding: answer.body, as: UTF8.self).hasSuffix(" <done/>"))
    }

    @Test func `what the kernel holds of a body on a slow line moves until it has arrived`() throws {
        let body = Drive.noise(1_000_000)
        let server = try ScriptedServer(receiveBuffer: 32 << 10) { connection in
            // The last 700 kB, which the kernel takes at once, are on their way for two seconds.
            while connection.request(bytesPerSecond: 300_000)?.body == body { connection.answer(200) }
        }
        var options = HTTPClient.Options.local
        options.stallSeconds = 1
        let client = HTTPClient(options)
        let sent = Mutex([0])
        var request = HTTPRequest("PUT", server.url, body: body)
        #expect(try client.send(request).head.status == 200)
        request.onSent = { more in sent.withLock { $0.append($0[$0.count - 1] + more) } }
        #expect(try client.send(request).head.status == 200)
        #expect(server.connections == 1)
        // What is told to have left is what arrived, not what the kernel took.
        let told = sent.withLock { $0 }
        #expect(told.last == body.count)
        #expect(told.count > 10)
    }

    @Test(arguments: ["reset", "short", "nothing", "nonsense"])
    func `a broken answer is an error`(how: String) throws {
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            switch how {
            case "reset":
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx")
                connection.reset()
            case "short": connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx")
            case "nonsense": connection.send("220 mail.example ESMTP\r\n")
            default: break
            }
        }
        let client = HTTPClient(.local)
        let error = #expect(throws: TransferError.self) {
            try client.send(HTTPRequest("GET", "\(server.url)/secret/path?secret=1"))
        }
        #expect(error?.code == .sourceUnavailable)
        #expect(error?.message.contains(server.url) == true)
        #expect(error?.message.contains("secret") == false)
    }

    @Test func `what left of a body is counted to its end`() throws {
        let server = try ScriptedServer { connection in
            while connection.request() != nil { connection.answer(200) }
        }
        let client = HTTPClient(.local)
        let recorder = Recorder()
        client.start(HTTPRequest("PUT", server.url, body: Drive.noise(3_000_000)), receiver: recorder)
        #expect(recorder.wait())
        #expect(recorder.sent.last == 3_000_000)
        #expect(recorder.sent == recorder.sent.sorted())
    }

    @Test func `an answer that is too large is refused`() throws {
        let server = try ScriptedServer { connection in
            while connection.request() != nil { connection.answer(200, [], [UInt8](repeating: 1, count: 5000)) }
        }
        let client = HTTPClient(.local)
        var request = HTTPRequest("GET", server.url)
        request.maximumResponseBytes = 4999
        #expect(throws: TransferError.self) { try client.send(request) }
        request.maximumResponseBytes = 5000
        #expect(try client.send(request).body.count == 5000)
    }

    @Test func `an answer before the body was sent comes through`() throws {
        let server = try ScriptedServer { connection in
            connection.send("HTTP/1.1 413 Too large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            _ = connection.request()
        }
        let client = HTTPClient(.local)
        let response = try client.send(HTTPRequest("PUT", server.url, body: Drive.noise(8_000_000)))
        #expect(response.head.status == 413)
    }

    @Test func `headers without end are an error, not a full memory`() throws {
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\n")
            let line = "X-Filler: \(String(repeating: "x", count: 1000))\r\n"
            for _ in 0..<100_000 where connection.send(line) {}
        }
        let error = #expect(throws: TransferError.self) {
            try HTTPClient(.local).send(HTTPRequest("GET", server.url))
        }
        #expect(error?.code == .sourceUnavailable)
    }

    @Test func `a header can't smuggle another in`() throws {
        let server = try ScriptedServer { _ in }
        let client = HTTPClient(.local)
        let error = #expect(throws: TransferError.self) {
            try client.send(HTTPRequest("GET", server.url, headers: [("X", "a\r\nAuthorization: b")]))
        }
        #expect(error?.code == .internal)
        #expect(server.connections == 0)
    }

    @Test(arguments: ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://127.0.0.1:70/", "no address", ""])
    func `only http and https are spoken`(url: String) throws {
        let client = HTTPClient(.local)
        #expect(throws: TransferError.self) { try client.send(HTTPRequest("GET", url)) }
    }

    @Test func `an environment's proxy is not used`() throws {
        let server = try ScriptedServer { connection in
            while connection.request() != nil { connection.answer(200) }
        }
        setenv("http_proxy", "http://127.0.0.1:1", 1)
        defer { unsetenv("http_proxy") }
        #expect(try HTTPClient(.local).send(HTTPRequest("GET", server.url)).head.status == 200)
    }

    @Test func `blocked senders are cancelled within a second`() throws {
        let server = try ScriptedServer { _ = $0.waitForClose(seconds: 20) }
        let client = HTTPClient(.local)
        let start = Date()
        let error = #expect(throws: TransferError.self) {
            try client.send(HTTPRequest("GET", server.url)) { -start.timeIntervalSinceNow > 0.2 }
        }
        #expect(error?.code == .cancelled)
        #expect(-start.timeIntervalSinceNow < 1.2)
    }

    /// In a process of its own, where nothing else opens sockets or threads.
    @Test func `a client that is let go takes its thread and connections along`() async {
        await #expect(processExitsWith: .success) {
            let server = try ScriptedServer { connection in
                while connection.request() != nil { connection.answer(200) }
            }
            let before = Holdings.now
            for _ in 0..<10 { _ = try HTTPClient(.local).send(HTTPRequest("GET", server.url)) }
            let after = await Holdings.settled(within: before)
            #expect(after.threads <= before.threads)
            #expect(after.sockets <= before.sockets)
            #expect(server.connections == 10)
        }
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
