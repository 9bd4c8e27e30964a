import Foundation
import NIOCore
import Postgres
import Testing

@testable import reelway

extension HTTPTests {
    struct EventTests {
        @Test func `the life of a video is told to its end, by the database's own notices`() async throws {
            try await LiveService.with(.init(interval: .seconds(600))) { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(
                        "GET /videos/\(id.uppercased())/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    let head = try await connection.head()
                    #expect(head.status == 200)
                    #expect(head.headers["content-type"] == "text/event-stream")
                    var ids: Set<String> = []
                    func next() async throws -> SentEvent {
                        let event = try await connection.event(seconds: 10)
                        #expect(ids.insert(event.id ?? "").inserted)
                        return event
                    }
                    let queued = try await next()
                    #expect(queued.name == "progress")
                    #expect(queued.json["status"] as? String == "pending")
                    #expect(queued.json["stage"] as? String == "queued")
                    let job = try await service.claim()
                    #expect(try await next().json["stage"] as? String == "probing")
                    #expect(try await service.store.progress(job, stage: "transcoding", fraction: 0.25, lease: 60))
                    let half = try await next()
                    #expect(half.json["progress"] as? Double == 0.25)
                    #expect(half.json["status"] as? String == "processing")
                    #expect(try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
                    let ready = try await next()
                    #expect(ready.name == "ready")
                    #expect(ready.json["url"] as? String == "https://x/y.mp4")
                    await #expect(throws: HTTPConnection.Fault.self) { try await connection.event(seconds: 5) }
                    #expect(await connection.closes(within: 20))
                }
            }
        }

        @Test func `a failure is told with its code`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let job = try await service.claim()
                _ = try await service.store.fail(job, .tooShort, "the video lasts 1 s; 3 s are needed")
                let answer = try await service.request("GET", "/videos/\(id)/events")
                #expect(answer.text.contains("event: failed\n"))
                #expect(answer.text.contains("\"code\":\"too_short\""))
                #expect(answer.text.contains("\"message\":\"the video lasts 1 s; 3 s are needed\""))
            }
        }

        @Test func `who comes back with the last id is told only what is new`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                @Sendable func follow(after last: String?) -> String {
                    "GET /videos/\(id)/events HTTP/1.1\r\nhost: localhost\r\n\(last.map { "last-event-id: \($0)\r\n" } ?? "")\r\n"
                }
                let seen = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(follow(after: nil))
                    _ = try await connection.head()
                    return try await connection.event()
                }
                let job = try await service.claim()
                let second = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(follow(after: seen.id))
                    _ = try await connection.head()
                    return try await connection.event()
                }
                #expect(second.json["stage"] as? String == "probing")
                let ready = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(follow(after: second.id))
                    _ = try await connection.head()
                    // Nothing is repeated while nothing changes.
                    await #expect(throws: HTTPConnection.Fault.silent) { try await connection.event(seconds: 1.5) }
                    #expect(try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
                    return try await connection.event()
                }
                #expect(ready.name == "ready")
                // Whoever knows the end needn't come back.
                let end = try await service.request(
                    "GET", "/videos/\(id)/events", headers: ["last-event-id": ready.id ?? ""])
                #expect(end.status == 204)
                let stranger = try await service.request(
                    "GET", "/videos/\(id)/events", headers: ["last-event-id": "never heard of"])
                #expect(stranger.text.contains("event: ready"))
            }
        }

        @Test func `a video that is deleted meanwhile ends its streams`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send("GET /videos/\(id)/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    _ = try await connection.head()
                    _ = try await connection.event()
                    try await service.test.database.query("delete from product_videos")
                    let event = try await connection.event(seconds: 10)
                    #expect(event.name == "failed")
                    #expect(event.data.contains("input_not_found"))
                }
            }
        }

        @Test func `streams are counted, bounded, and end with their clients`() async throws {
            var limits = ConnectionLimits.Limits()
            limits.streams = 2
            try await LiveService.with(.init(limits: limits)) { service in
                let id = try await service.test.insertVideo()
                let request = "GET /videos/\(id)/events HTTP/1.1\r\nhost: localhost\r\n\r\n"
                try await HTTPConnection.with(port: service.port) { first in
                    try await first.send(request)
                    _ = try await first.event(afterHead: true)
                    try await HTTPConnection.with(port: service.port) { second in
                        try await second.send(request)
                        _ = try await second.event(afterHead: true)
                        let refused = try await service.request("GET", "/videos/\(id)/events")
                        #expect(refused.status == 429)
                        #expect(refused.headers["retry-after"] != nil)
                    }
                    // The server notices the second's leaving by itself.
                    var status = 0
                    for _ in 0..<200 where status != 200 {
                        status = try await HTTPConnection.with(port: service.port) { third in
                            try await third.send(request)
                            return try await third.head().status
                        }
                        try await Task.sleep(for: .milliseconds(100))
                    }
                    #expect(status == 200)
                }
                var open = true
                for _ in 0..<200 where open {
                    open = !service.metrics.text(queue: nil).contains("reelway_event_streams 0\n")
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(!open)
            }
        }

        @Test func `a client of HTTP/1.0 gets the events as they are, up to the connection's end`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let job = try await service.claim()
                #expect(try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
                let (head, lines, closed) = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send("GET /videos/\(id)/events HTTP/1.0\r\n\r\n")
                    let head = try await connection.head()
                    let event = Data("retry: 2000\n\nid: ".utf8)
                    let lines = try await connection.bytes(event.count) == event
                    return (head, lines, await connection.closes(within: 5))
                }
                #expect(head.status == 200)
                #expect(head.headers["transfer-encoding"] == nil)
                #expect(lines)
                #expect(closed)
            }
        }

        @Test func `silence is broken by a comment`() async throws {
            try await LiveService.with(.init(heartbeat: .milliseconds(500))) { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send("GET /videos/\(id)/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    _ = try await connection.head()
                    #expect(try await connection.event().name == "progress")
                    #expect(try await connection.event(seconds: 8).name == ":")
                }
            }
        }

        @Test func `streams end when the service stops`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send("GET /videos/\(id)/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    _ = try await connection.head()
                    _ = try await connection.event()
                    await service.stop()
                    #expect(await connection.closes(within: 20))
                }
            }
        }
    }
}
