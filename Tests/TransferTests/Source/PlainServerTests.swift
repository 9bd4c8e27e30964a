import Foundation
import OneDriveSandbox
import Synchronization
import Testing

@testable import Transfer

/// Addresses that aren't OneDrive's: servers without ranges, redirects, links that expire.
@Suite(.serialized)
struct PlainServerTests {
    private let bytes = Drive.noise(3_000_001)

    @Test func `a server without ranges is read once, in order, and paused by a slow reader`() async throws {
        var options = SandboxOptions()
        options.supportsRanges = false
        let drive = try await Drive.start(size: 40 << 20, options: options)
        let source = try await drive.open(window: 2 << 20)
        #expect(!source.isSeekable)
        #expect(source.length == 40 << 20)
        try await Task.sleep(for: .milliseconds(500))
        #expect(source.bytesDownloaded <= 2 << 20)
        let bytes = try await onThread { try source.readAll() }
        #expect(bytes == drive.bytes)
        #expect(try await onThread { try source.verify() })
        #expect(drive.sandbox.downloadRequests.count == 1)
        await drive.stop()
    }

    @Test func `a small file from a server without ranges is kept whole and read anywhere`() async throws {
        var options = SandboxOptions()
        options.supportsRanges = false
        let drive = try await Drive.start(size: 3_000_001, options: options)
        let source = try await drive.open(window: 4 << 20)
        #expect(source.isSeekable)
        let bytes = drive.bytes
        try await onThread { () throws in
            for start in [2_900_000, 0, 1_500_000, 2_999_000] {
                #expect(
                    try source.bytes(1001, at: Int64(start)) == Array(bytes[start..<min(start + 1001, bytes.count)]))
            }
            #expect(try source.readAll() == bytes)
        }
        #expect(drive.sandbox.downloadRequests.count == 1)
        await drive.stop()
    }

    @Test func `a file that has to be read backwards from a server without ranges is a clear error`() async throws {
        var options = SandboxOptions()
        options.supportsRanges = false
        let drive = try await Drive.start(size: 8 << 20, options: options)
        let source = try await drive.open(window: 1 << 20)
        let error = try await #require(throws: TransferError.self) {
            _ = try await onThread { try source.bytes(10, at: 7 << 20) }
        }
        #expect(error.code == .sourceUnavailable)
        #expect(error.message.contains("ranges"))
        await drive.stop()
    }

    @Test(arguments: [false, true])
    func `a break without ranges begins again only while nobody has read`(wasRead: Bool) async throws {
        let bytes = bytes
        let hasRead = Mutex(false)
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(bytes.count)\r\n\r\n")
            guard connection.index == 0 else { return _ = connection.send(bytes) }
            if wasRead { connection.send(Array(bytes[..<1_500_000])) }
            for _ in 0..<200 where wasRead && !hasRead.withLock({ $0 }) { usleep(50_000) }
        }
        let source = try await open(server.url)
        if wasRead {
            #expect(try await onThread { try source.bytes(1000, at: 0) } == Array(bytes[..<1000]))
            hasRead.withLock { $0 = true }
            let error = await #expect(throws: TransferError.self) {
                _ = try await onThread { try source.bytes(3_000_000, at: 1000) }
            }
            #expect(error?.code == .sourceUnavailable)
        } else {
            #expect(try await onThread { try source.readAll() } == bytes)
        }
    }

    @Test func `an answer without a length is read to its end`() async throws {
        let bytes = bytes
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in stride(from: 0, to: bytes.count, by: 100_000) {
                let piece = Array(bytes[start..<min(start + 100_000, bytes.count)])
                connection.send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
            }
            connection.send("0\r\n\r\n")
        }
        let source = try await open(server.url)
        #expect(source.length == nil)
        #expect(!source.isSeekable)
        #expect(try await onThread { try source.readAll() } == bytes)
    }

    @Test func `an answer without a length that breaks is an error, not an end`() async throws {
        let bytes = bytes
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send(Array("100000\r\n".utf8) + bytes[..<0x100000] + Array("\r\n".utf8))
        }
        let source = try await open(server.url)
        let error = await #expect(throws: TransferError.self) { _ = try await onThread { try source.readAll() } }
        #expect(error?.code == .sourceUnavailable)
    }

    @Test func `a web page is not taken for a video`() async throws {
        let server = try ScriptedServer { connection in
            while connection.request() != nil {
                connection.answer(200, ["Content-Type: text/html; charset=utf-8"], Array("<html>".utf8))
            }
        }
        let error = await #expect(throws: TransferError.self) { _ = try await open(server.url) }
        #expect(error?.code == .sourceUnavailable)
    }

    @Test func `redirects are followed, relative ones too, without end they are not`() async throws {
        let bytes = bytes
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                switch request.head.split(separator: " ")[1] {
                case "/a?token=1": connection.answer(302, ["Location: b/../c?x=2"])
                case "/b/../c?x=2", "/c?x=2": connection.answer(307, ["Location: /file"])
                case "/loop": connection.answer(301, ["Location: /loop"])
                default: connection.serve(bytes, for: request.head)
                }
            }
        }
        let source = try await open("\(server.url)/a?token=1")
        #expect(!source.name.contains("token"))
        #expect(try await onThread { try source.readAll() } == bytes)
        let error = await #expect(throws: TransferError.self) { _ = try await open("\(server.url)/loop") }
        #expect(error?.code == .sourceUnavailable)
    }

    @Test func `a link behind a redirect that expires is asked for again`() async throws {
        let bytes = bytes
        let issued = Mutex(0)
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                let path = request.head.split(separator: " ")[1]
                if path == "/video" {
                    let number = issued.withLock { count in
                        count += 1
                        return count
                    }
                    connection.answer(302, ["Location: /signed/\(number)"])
                } else if path == "/signed/1", !request.head.contains("bytes=0-") {
                    connection.answer(403)
                } else {
                    connection.serve(bytes, for: request.head)
                }
            }
        }
        let source = try await open("\(server.url)/video")
        #expect(try await onThread { try source.readAll() } == bytes)
        // Both requests under way may ask.
        #expect((2...3).contains(issued.withLock { $0 }))
    }

    @Test(arguments: ["http://127.0.0.1:1/x", "http://169.254.169.254/latest", "http://[::1]/x", "http://localhost/x"])
    func `a private address is refused`(url: String) async throws {
        let client = HTTPClient()
        let error = await #expect(throws: TransferError.self) {
            _ = try await RangedSource.open(.init(url: url), client: client)
        }
        #expect(error?.code == .sourceForbidden)
    }

    @Test func `a name that doesn't exist is unavailable`() async throws {
        var options = RangedSource.Options()
        options.retry.attempts = 2
        options.retry.baseSeconds = 0.01
        let client = HTTPClient()
        let error = await #expect(throws: TransferError.self) {
            _ = try await RangedSource.open(
                .init(url: "https://no-such-host.invalid/x?key=1"), client: client, options: options)
        }
        #expect(error?.code == .sourceUnavailable)
        #expect(error?.message.contains("key") == false)
    }

    @Test func `an ETag that changes is a changed source where nobody can say more`() async throws {
        let bytes = bytes
        let count = Mutex(0)
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                connection.serve(bytes, for: request.head, tag: number > 2 ? "\"b\"" : "\"a\"")
            }
        }
        let source = try await open(server.url)
        let error = await #expect(throws: TransferError.self) { _ = try await onThread { try source.readAll() } }
        #expect(error?.code == .sourceChanged)
    }

    private func open(_ url: String) async throws -> RangedSource {
        var options = RangedSource.Options()
        options.retry = Drive.retry
        options.windowBytes = 2 << 20
        return try await RangedSource.open(.init(url: url), client: HTTPClient(.local), options: options)
    }
}

extension ScriptedServer.Connection {
    /// Answers the range asked for.
    func serve(_ bytes: [UInt8], for head: String, tag: String = "\"a\"") {
        let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("range: bytes=") }
        let ends = (line?.dropFirst(13) ?? "0-").split(separator: "-").compactMap { Int($0) }
        let first = ends.first ?? 0
        let last = min(ends.count > 1 ? ends[1] : .max, bytes.count - 1)
        let range = "Content-Range: bytes \(first)-\(last)/\(bytes.count)"
        answer(206, [range, "ETag: \(tag)"], Array(bytes[first...last]))
    }
}
