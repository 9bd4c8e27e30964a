import Foundation
import Postgres
import Testing

@testable import reelway

extension HTTPTests {
    struct RouteTests {
        private static let unknown = "00000000-0000-4000-8000-00000000dead"

        @Test(arguments: ["/transcode", "/.netlify/functions/video-transcode-background"])
        func `a trigger queues the video and wakes the worker`(path: String) async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await service.store.database.query("update product_videos set social_ready_next_attempt_at = null")
                let answer = try await service.request("POST", path, body: "{\"videoId\":\"\(id)\"}")
                #expect(answer.status == 202)
                #expect(
                    answer.json as? [String: String] == [
                        "message": "Transcode queued", "videoId": id, "status": "pending",
                    ])
                #expect(service.wakes.value == 1)
                #expect(try await service.store.status(id)?.isAsked == true)
            }
        }

        @Test func `a trigger for a video that is ready or in work is answered with that`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let job = try await service.claim()
                let working = try await service.trigger(id)
                #expect(working.status == 200)
                #expect(working.json as? [String: String] == ["message": "Already processing"])
                #expect(try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
                let ready = try await service.trigger(id)
                #expect(ready.status == 200)
                #expect(
                    ready.json as? [String: String] == [
                        "message": "Video already transcoded", "url": "https://x/y.mp4",
                    ])
                #expect(service.wakes.value == 0)
            }
        }

        @Test func `a hundred triggers of one video at once make one transcode`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<100 { group.addTask { try await service.trigger(id).status } }
                    return try await group.reduce(into: [Int]()) { $0.append($1) }
                }
                #expect(statuses == [Int](repeating: 202, count: 100))
                #expect(try await service.store.claim(owner: "one", lease: 60)?.videoID == id)
                #expect(try await service.store.claim(owner: "two", lease: 60) == nil)
            }
        }

        @Test func `a video nobody knows is a 404, whatever its id looks like`() async throws {
            try await LiveService.with { service in
                for id in [
                    Self.unknown, "not-a-uuid", "42", "'; drop table product_videos; --", "a%2Fb", "%F0%9F%98%80",
                ] {
                    for (method, path) in [
                        ("GET", ""), ("GET", "/events"), ("GET", "/social-ready"), ("DELETE", "/transcode"),
                    ] {
                        let answer = try await service.request(
                            method, "/videos/\(id.replacing(" ", with: "%20"))\(path)")
                        #expect(answer.status == 404, "\(method) \(id)\(path)")
                        #expect(answer.errorCode == "input_not_found")
                    }
                }
                #expect(try await service.trigger(Self.unknown).status == 404)
                #expect(try await service.trigger("not-a-uuid").status == 404)
                let patch = try await service.request(
                    "PATCH", "/videos/\(Self.unknown)", body: "{\"social_ready_status\":\"pending\"}")
                #expect(patch.status == 404)
            }
        }

        @Test(arguments: [
            "", "{", "null", "[]", "\"x\"", "{}", "{\"videoId\":null}", "{\"videoId\":true}", "{\"videoId\":1.5}",
            "{\"videoId\":[\"x\"]}", "{\"videoId\":{}}", "{\"videoId\":\"\"}", "{\"videoid\":\"x\"}",
            "{\"videoId\":\"x\"",
            "\u{FEFF}{", "{\"videoId\":\"\\u0000\"}", String(repeating: "[", count: 30_000),
        ])
        func `a trigger whose body makes no sense is a 400 or a 404 that says why`(body: String) async throws {
            try await LiveService.with { service in
                let answer = try await service.request("POST", "/transcode", body: body)
                #expect(answer.status == (body.contains("u0000") ? 404 : 400), "\(body.prefix(40)) \(answer.text)")
                #expect(answer.errorCode == (body.contains("u0000") ? "input_not_found" : "usage"))
            }
        }

        @Test func `a row without a source is a 400`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo(nil)
                #expect(try await service.trigger(id).status == 400)
                #expect(try await service.request("GET", "/videos/\(id)/social-ready").status == 400)
            }
        }

        @Test func `videos are listed by product`() async throws {
            try await LiveService.with { service in
                let ids = [
                    try await service.test.insertVideo(product: "a"), try await service.test.insertVideo(product: "a"),
                    try await service.test.insertVideo(product: "b & c"),
                ]
                func listed(_ query: String) async throws -> [String] {
                    let answer = try await service.request("GET", "/videos?\(query)")
                    #expect(answer.status == 200)
                    return ((answer.json["videos"] as? [[String: Any]]) ?? []).compactMap { $0["id"] as? String }
                }
                #expect(try await listed("productId=a") == ids[..<2].sorted())
                #expect(try await listed("productId=b+%26%20c") == [ids[2]])
                #expect(try await listed("productId=nobody").isEmpty)
                for query in [
                    "", "?productId=", "?productId", "?product=a", "?productId=a&productId=b", "?productId=%FF",
                ] {
                    #expect(try await service.request("GET", "/videos\(query)").status == 400, "\(query)")
                }
            }
        }

        @Test func `a manual retry is the only change of a video`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let job = try await service.claim()
                func patch(_ body: String) async throws -> HTTPConnection.Answer {
                    try await service.request("PATCH", "/videos/\(id)", body: body)
                }
                #expect(try await patch("{\"social_ready_status\":\"pending\"}").status == 409)
                #expect(try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
                for body in [
                    "{\"social_ready_status\":\"ready\"}", "{\"social_ready_status\":\"failed\"}", "{}",
                    "{\"social_ready_status\":null}", "{\"social_ready_status\":\"pending\",\"filename\":\"x\"}",
                    "{\"social_ready_url\":\"https://evil/\"}", "nonsense",
                ] {
                    #expect(try await patch(body).status == 400, "\(body)")
                }
                #expect(try await service.store.status(id)?.state == .ready)
                let answer = try await patch("{\"social_ready_status\":\"pending\"}")
                #expect(answer.status == 200)
                #expect(answer.json["social_ready_status"] as? String == "pending")
                #expect(service.wakes.value == 1)
            }
        }

        @Test func `cancelling fails a video that waits or is in work, and nothing else`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let path = "/videos/\(id)/transcode"
                #expect(try await service.request("DELETE", path).status == 200)
                #expect(try await service.store.status(id)?.error?.hasPrefix("cancelled: ") == true)
                // Twice is no mistake.
                #expect(try await service.request("DELETE", path).status == 200)
                #expect(try await service.trigger(id).status == 202)
                let job = try await service.claim()
                #expect(try await service.request("DELETE", path).status == 200)
                #expect(try await service.store.heartbeat(job, lease: 60) == false)
                #expect(try await service.trigger(id).status == 202)
                let again = try await service.claim()
                #expect(try await service.store.complete(again, key: "k", url: "https://x/y.mp4", report: nil))
                let refused = try await service.request("DELETE", path)
                #expect(refused.status == 409)
                #expect(refused.errorCode == "conflict")
            }
        }

        @Test func `what isn't served is a 404, and a wrong method a 405 that names the right ones`() async throws {
            try await LiveService.with { service in
                for path in ["/", "/nothing", "/videos/x/y/z", "/transcode/x", "/../etc/passwd"] {
                    let answer = try await service.request("GET", path)
                    #expect(answer.status == 404, "\(path)")
                    #expect(answer.errorCode == "usage")
                }
                let answer = try await service.request("GET", "/transcode")
                #expect(answer.status == 405)
                #expect(answer.headers["allow"] == "POST")
                #expect(answer.errorCode == "usage")
                #expect(try await service.request("PUT", "/videos/x").headers["allow"] == "GET, PATCH, HEAD")
            }
        }

        @Test func `HEAD is answered as GET is, without the body`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    for (path, status) in [
                        ("/healthz", 200), ("/readyz", 200), ("/videos/\(id)", 200), ("/videos/\(id)/events", 200),
                        ("/videos/0", 404), ("/nothing", 404), ("/healthz", 200),
                    ] {
                        // A body would be taken for the next answer.
                        let answer = try await connection.request("HEAD", path)
                        #expect(answer.status == status, "\(path)")
                    }
                }
            }
        }

        @Test func `the answer carries the caller's request id, and so does the log`() async throws {
            try await LiveService.with { service in
                let given = try await service.request("GET", "/nothing", headers: ["x-request-id": "sync-42.a_b"])
                #expect(given.headers["x-request-id"] == "sync-42.a_b")
                #expect(service.log.text.contains("sync-42.a_b"))
                for unfit in ["", "a b", "ü", String(repeating: "x", count: 65)] {
                    let made = try await service.request("GET", "/nothing", headers: ["x-request-id": unfit])
                    #expect(made.headers["x-request-id"].map { $0 != unfit && $0.count >= 16 } == true)
                }
            }
        }

        @Test func `ids of whole numbers and texts are found`() async throws {
            for (type, ids) in [("bigint", ["42", "-7"]), ("text", ["a/b c", "ü?&", "..%"])] {
                try await TestDatabase.with { test in
                    try await test.database.query(
                        "create table product_videos (id \(type) primary key, product_id text, onedrive_file_id text)")
                    _ = try await Schema.migrate(test.database, standalone: false)
                    for id in ids {
                        try await test.database.query(
                            "insert into product_videos (id, onedrive_file_id) values ($1::text::\(type), 'item')", id)
                    }
                    try await LiveService.with(on: test) { service in
                        for id in ids {
                            let escaped = id.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
                            let answer = try await service.request("GET", "/videos/\(escaped)")
                            #expect(answer.json["id"] as? String == id)
                            #expect(try await service.trigger(id).status == 202)
                        }
                        if type == "bigint" {
                            #expect(
                                try await service.request("POST", "/transcode", body: "{\"videoId\":42}").status == 202)
                            #expect(try await service.request("GET", "/videos/9223372036854775808").status == 404)
                        }
                    }
                }
            }
        }
    }
}
