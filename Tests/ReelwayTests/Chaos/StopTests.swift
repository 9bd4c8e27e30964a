import Foundation
import OneDriveSandbox
import Postgres
import Testing

@testable import reelway

extension ChaosTests {
    struct StopTests {
        @Test func `A service stopped under load answers all that it took, and gives back what isn't finished`()
            async throws
        {
            let settings = ["REELWAY_GRACE_SECONDS": "1", "REELWAY_CONCURRENCY": "2", "PORT": "0"]
            try await Shop.with(settings) { shop in
                // A video takes some seconds, so that some are under way whenever the signal comes.
                shop.drive.setBandwidth(perConnection: 4e6)
                var ids: [String] = []
                for clip in [Clips.foreign, Clips.large, Clips.large, Clips.small, Clips.large, Clips.foreign] {
                    ids.append(try await shop.insert(clip))
                }
                let service = try shop.service()
                let port = try await service.port()
                let clients = (0..<8).map { client in
                    Task { [ids] in await Self.ask(for: ids, from: client, port: port) }
                }
                try await shop.until("a video is under way") {
                    try await shop.test.database.query(
                        "select from product_videos where social_ready_status = 'processing' and social_ready_progress > 0"
                    ).count > 0
                }
                service.signal(SIGTERM)
                #expect(try await service.end(within: 30).status == 0, "\(service.errors)")
                var answers = 0
                for client in clients { answers += await client.value }
                #expect(answers > 100)
                var unfinished = 0
                for id in ids {
                    let row = try #require(try await shop.test.row(id))
                    let status = row["social_ready_status"] as String? ?? ""
                    if status == "pending" { unfinished += 1 }
                    #expect(["pending", "ready"].contains(status))
                    #expect(row["social_ready_attempts"] == (status == "ready" ? "1" : "0"))
                }
                #expect(unfinished > 0 && service.errors.contains("video is given back"))
                shop.drive.setBandwidth(perConnection: nil)
                let next = try shop.worker()
                for id in ids {
                    let row = try await shop.ready(id)
                    #expect(row["social_ready_attempts"] == "1")
                    try await shop.expectOneResult(row)
                }
                next.signal(SIGTERM)
                #expect(try await next.end(within: 20).status == 0)
            }
        }

        /// Asks for one video after the other until nobody takes requests any more; returns how many answers came.
        private static func ask(for ids: [String], from start: Int, port: Int) async -> Int {
            var turn = start
            while true {
                let body = "{\"videoId\":\"\(ids[turn % ids.count])\"}"
                do {
                    try await HTTPConnection.with(port: port) { connection in
                        try await connection.send(
                            "POST /transcode HTTP/1.1\r\nhost: localhost\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
                        )
                        let answer = try await connection.head()
                        #expect([200, 202].contains(answer.status))
                        await #expect(throws: Never.self, "an answer that has begun comes to its end") {
                            _ = try await connection.bytes(
                                try #require(answer.headers["content-length"].flatMap { Int($0) }))
                        }
                    }
                } catch {
                    return turn - start
                }
                turn += 1
            }
        }
    }
}
