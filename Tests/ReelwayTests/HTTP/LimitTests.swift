import Foundation
import NIOCore
import Testing

@testable import reelway

extension HTTPTests {
    struct LimitTests {
        private static let huge = String(repeating: "x", count: 70_000)

        /// Limits that a test can wait for.
        private static var short: ConnectionLimits.Limits {
            var limits = ConnectionLimits.Limits()
            limits.idle = .milliseconds(700)
            limits.request = .milliseconds(700)
            limits.response = .milliseconds(700)
            return limits
        }

        @Test func `a body of more than 64 KiB is refused, announced or in chunks`() async throws {
            try await LiveService.with { service in
                #expect(try await service.request("POST", "/transcode", body: Self.huge).status == 413)
                #expect(
                    try await service.request("PATCH", "/videos/x", body: Self.huge).errorCode == "too_large")
                let announced = try await HTTPConnection.with(port: service.port) { connection in
                    // Refused for what it says, before any of it came.
                    try await connection.send(
                        "POST /transcode HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999999\r\n\r\n")
                    return try await connection.answer(seconds: 20)
                }
                #expect(announced.status == 413)
                let chunked = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(
                        "POST /transcode HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
                    for _ in 0..<9 {
                        try await connection.send("2000\r\n\(String(repeating: "x", count: 0x2000))\r\n")
                    }
                    return try await connection.answer(seconds: 20)
                }
                #expect(chunked.status == 413)
                // The largest that fits is read: it is only no JSON.
                let most = String(repeating: "x", count: 64 << 10)
                #expect(try await service.request("POST", "/transcode", body: most).status == 400)
            }
        }

        @Test func `a body of brackets or of many members costs no more than another`() async throws {
            try await LiveService.with { service in
                let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
                let bodies = [
                    "{\"a\":[\(Array(repeating: deep, count: 60).joined(separator: ","))]}",
                    "[\(Array(repeating: deep, count: 60).joined(separator: ","))]",
                    "{\((0..<5000).map { "\"\($0)\":{}" }.joined(separator: ","))}",
                ]
                for body in bodies {
                    let begun = ContinuousClock.now
                    let answer = try await service.request("POST", "/transcode", body: body)
                    #expect(answer.status == 400)
                    #expect(.now - begun < .seconds(10))
                }
            }
        }

        @Test func `headers beyond the limits are refused with a reason`() async throws {
            try await LiveService.with { service in
                for headers in [
                    "x-long: \(Self.huge)\r\n",
                    (0..<200).map { "x-\($0): y\r\n" }.joined(),
                    (0..<90).map { "x-\($0): \(String(repeating: "z", count: 300))\r\n" }.joined(),
                ] {
                    let answer = try await HTTPConnection.with(port: service.port) { connection in
                        try await connection.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\(headers)\r\n")
                        return try await connection.answer(seconds: 20)
                    }
                    #expect(answer.status == 431)
                    #expect(answer.errorCode == "too_large")
                }
            }
        }

        @Test(arguments: [
            "nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
            "POST /transcode HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
            "POST /transcode HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}\u{00}\r\n\r\n",
        ])
        func `bytes that are no HTTP are answered so, and the connection ends`(bytes: String) async throws {
            try await LiveService.with { service in
                let (answer, closed) = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(bytes)
                    let answer = try await connection.answer(seconds: 20)
                    return (answer, await connection.closes(within: 20))
                }
                #expect(answer.status == 400)
                #expect(answer.errorCode == "usage")
                #expect(closed)
                #expect(try await service.request("GET", "/healthz").status == 200)
            }
        }

        @Test func `a client that says nothing, or its head by drops, is cut off`() async throws {
            try await LiveService.with(.init(limits: Self.short)) { service in
                let silent = try await HTTPConnection.with(port: service.port) { await $0.closes(within: 20) }
                #expect(silent)
                let dripping = try await HTTPConnection.with(port: service.port) { connection in
                    for letter in "GET /healthz HTTP/1.1\r\nx-slow: loris and more of it" {
                        do { try await connection.send(String(letter)) } catch { return true }
                        if await connection.closes(within: 0.1) { return true }
                    }
                    return false
                }
                #expect(dripping)
            }
        }

        @Test func `a body that comes by drops is cut off with a reason`() async throws {
            try await LiveService.with(.init(limits: Self.short)) { service in
                let begun = ContinuousClock.now
                let answer = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(
                        "POST /transcode HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{")
                    let dripping = Task {
                        for _ in 0..<100 {
                            try await connection.send(" ")
                            try await Task.sleep(for: .milliseconds(100))
                        }
                    }
                    defer { dripping.cancel() }
                    return try await connection.answer(seconds: 20)
                }
                #expect(answer.status == 408)
                #expect(answer.errorCode == "usage")
                #expect(ContinuousClock.now - begun < .seconds(15))
            }
        }

        @Test func `a client that asks before it sends its body is told to go on`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let body = "{\"videoId\":\"\(id)\"}"
                let head = "host: localhost\r\nexpect: 100-continue\r\ncontent-length: \(body.utf8.count)\r\n\r\n"
                let statuses = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send("POST /transcode HTTP/1.1\r\n\(head)")
                    let leave = try await connection.head(seconds: 5)
                    try await connection.send(body)
                    return (leave.status, try await connection.answer(seconds: 5).status)
                }
                #expect(statuses == (100, 202))
                // HTTP/1.0 has no such answer, what will be refused needn't be sent, and there may be nothing to send.
                let without = try await service.request("GET", "/healthz", headers: ["expect": "100-continue"])
                #expect(without.status == 200)
                let old = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send("POST /transcode HTTP/1.0\r\n\(head)\(body)")
                    return try await connection.answer(seconds: 5).status
                }
                #expect(old == 202)
                let refused = try await HTTPConnection.with(port: service.port) { connection in
                    let more = head.replacing("length: \(body.utf8.count)", with: "length: 70000")
                    try await connection.send("POST /transcode HTTP/1.1\r\n\(more)")
                    return try await connection.answer(seconds: 5).status
                }
                #expect(refused == 413)
            }
        }

        @Test func `a request that was answered before its body came is answered no second time`() async throws {
            try await LiveService.with(.init(limits: Self.short)) { service in
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(
                        "POST /transcode HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999999\r\n\r\n")
                    #expect(try await connection.answer(seconds: 20).status == 413)
                    let dripping = Task {
                        for _ in 0..<100 {
                            try await connection.send(" ")
                            try await Task.sleep(for: .milliseconds(100))
                        }
                    }
                    defer { dripping.cancel() }
                    await #expect(throws: HTTPConnection.Fault.closed) { try await connection.line(seconds: 20) }
                }
            }
        }

        @Test func `a request that is being worked on isn't answered for what follows it`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(
                        "GET /videos/\(id)/social-ready?wait=20 HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    try await service.until { service.wakes.value > 0 }
                    try await connection.send("nonsense\r\n\r\n")
                    await #expect(throws: HTTPConnection.Fault.closed) { try await connection.line(seconds: 10) }
                }
            }
        }

        @Test func `a client that never reads what it asked for is cut off`() async throws {
            let folder = try TestFolder()
            try folder.write("v/big.mp4", Data(count: 64 << 20))
            try await LiveService.with(.init(mediaFolder: folder.path, limits: Self.short)) { service in
                // The reader of this connection is never asked for more.
                let closed = try await SleepingReader.isCutOff(
                    port: service.port, request: "GET /media/v/big.mp4 HTTP/1.1\r\nhost: localhost\r\n\r\n", within: 20)
                #expect(closed)
            }
        }

        @Test func `a connection serves many requests, and is let go when it rests`() async throws {
            var limits = Self.short
            limits.idle = .seconds(2)
            try await LiveService.with(.init(limits: limits)) { service in
                let closed = try await HTTPConnection.with(port: service.port) { connection in
                    for _ in 0..<50 {
                        #expect(try await connection.request("GET", "/healthz").status == 200)
                        try await Task.sleep(for: .milliseconds(50))
                    }
                    // Pipelined.
                    try await connection.send(
                        String(repeating: "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", count: 5))
                    for _ in 0..<5 { #expect(try await connection.answer().status == 200) }
                    return await connection.closes(within: 20)
                }
                #expect(closed)
            }
        }

        @Test func `many clients that dawdle don't keep others from being served`() async throws {
            var limits = Self.short
            limits.connections = 20
            try await LiveService.with(.init(limits: limits)) { service in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<60 {
                        group.addTask {
                            _ = try? await HTTPConnection.with(port: service.port) { connection in
                                try await connection.send("GET /healthz HTTP/1.1\r\nx-slow: ")
                                _ = await connection.closes(within: 20)
                            }
                        }
                    }
                    try await Task.sleep(for: .milliseconds(100))
                    let begun = ContinuousClock.now
                    #expect(try await service.request("GET", "/healthz").status == 200)
                    #expect(ContinuousClock.now - begun < .seconds(20))
                    group.cancelAll()
                }
            }
        }
    }
}
