import Foundation
import Postgres
import Testing

@testable import reelway

extension HTTPTests {
    struct SocialReadyTests {
        @Test func `a ready video is answered at once`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                #expect(
                    try await service.store.complete(
                        try await service.claim(), key: "k", url: "https://x/y.mp4", report: nil))
                let begun = ContinuousClock.now
                let answer = try await service.request("GET", "/videos/\(id)/social-ready?wait=30")
                #expect(ContinuousClock.now - begun < .seconds(15))
                #expect(answer.status == 200)
                #expect(
                    answer.json as? [String: String] == ["videoId": id, "status": "ready", "url": "https://x/y.mp4"])
            }
        }

        @Test func `who asks goes first in the queue and may wait for the end`() async throws {
            try await LiveService.with(.init(interval: .seconds(600))) { service in
                for _ in 0..<3 { _ = try await service.test.insertVideo() }
                let id = try await service.test.insertVideo()
                let now = try await service.request("GET", "/videos/\(id)/social-ready")
                #expect(now.status == 202)
                #expect(now.json["message"] as? String == "First in the queue")
                #expect(service.wakes.value == 1)
                let job = try await service.claim()
                #expect(job.videoID == id)
                async let waited = service.request("GET", "/videos/\(id)/social-ready?wait=20")
                try await Task.sleep(for: .milliseconds(500))
                #expect(try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: nil))
                let answer = try await waited
                #expect(answer.status == 200)
                #expect(answer.json["url"] as? String == "https://x/y.mp4")
            }
        }

        @Test func `a video that rests between attempts is said to, and not to be first`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await service.store.fail(try await service.claim(), .sourceThrottled, "later", retryAfter: 1000)
                for _ in 0..<2 {
                    let answer = try await service.request("GET", "/videos/\(id)/social-ready")
                    #expect(answer.status == 202)
                    #expect(answer.json["message"] as? String == "Waiting for its next attempt")
                    #expect(answer.json["status"] as? String == "pending")
                }
                #expect(try await service.store.claim(owner: "worker", lease: 60) == nil)
            }
        }

        @Test func `the wait ends with a 202 when its time is over`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                _ = try await service.claim()
                let begun = ContinuousClock.now
                let answer = try await service.request("GET", "/videos/\(id)/social-ready?wait=0.5")
                #expect(answer.status == 202)
                #expect(answer.json["message"] as? String == "Still being transcoded")
                #expect(answer.json["status"] as? String == "processing")
                #expect(.milliseconds(450)...(.seconds(15)) ~= ContinuousClock.now - begun)
            }
        }

        @Test func `a failure is told with its code, also to those who wait`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let job = try await service.claim()
                async let waited = service.request("GET", "/videos/\(id)/social-ready?wait=20")
                try await Task.sleep(for: .milliseconds(300))
                _ = try await service.store.fail(job, .sourceTruncated, "the source ends at 12 s of 60 s")
                for answer in [try await waited, try await service.request("GET", "/videos/\(id)/social-ready")] {
                    #expect(answer.status == 422)
                    #expect(answer.errorCode == "source_truncated")
                    #expect(
                        (answer.json["error"] as? [String: Any])?["message"] as? String
                            == "the source ends at 12 s of 60 s"
                    )
                }
                // Asking is not retrying.
                #expect(try await service.store.status(id)?.state == .failed)
            }
        }

        @Test func `HEAD is answered at once and queues nothing`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let due = try await service.test.row(id)?["social_ready_next_attempt_at"]
                let begun = ContinuousClock.now
                let answer = try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.request("HEAD", "/videos/\(id)/social-ready?wait=30")
                }
                #expect(ContinuousClock.now - begun < .seconds(15))
                #expect(answer.status == 202)
                #expect(service.wakes.value == 0)
                #expect(try await service.test.row(id)?["social_ready_next_attempt_at"] == due)
            }
        }

        @Test(arguments: ["x", "-1", "nan", "inf", "1&wait=2", "%FF", ""])
        func `a wait that is no time is a 400`(wait: String) async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                #expect(try await service.request("GET", "/videos/\(id)/social-ready?wait=\(wait)").status == 400)
            }
        }

        @Test func `the service doesn't wait for those who left, nor for those who wait when it stops`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                try await HTTPConnection.with(port: service.port) { connection in
                    try await connection.send(
                        "GET /videos/\(id)/social-ready?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    try await Task.sleep(for: .milliseconds(300))
                }
                async let waiting = service.request("GET", "/videos/\(id)/social-ready?wait=60")
                try await Task.sleep(for: .milliseconds(300))
                let begun = ContinuousClock.now
                await service.stop()
                #expect(try await waiting.status == 202)
                #expect(ContinuousClock.now - begun < .seconds(20))
            }
        }

        @Test func `a stored error is taken apart, whoever wrote it`() {
            for (text, code, message) in [
                ("too_long: it lasts 20 min", "too_long", "it lasts 20 min"), ("too_long: a: b", "too_long", "a: b"),
                ("", "internal", "the transcode failed"),
                ("ffmpeg: exited with 1", "internal", "ffmpeg: exited with 1"),
                ("cancelled", "internal", "cancelled"),
            ] {
                let stored = StoredError(text)
                #expect(stored.code == code)
                #expect(stored.message == message)
            }
        }
    }
}
