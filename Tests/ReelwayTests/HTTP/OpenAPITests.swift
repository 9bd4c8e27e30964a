import Foundation
import HTTPTypes
import Postgres
import Testing

@testable import reelway

extension HTTPTests {
    struct OpenAPITests {
        @Test func `what is served is described, and what is described is served`() async throws {
            try await LiveService.with(.init(mediaFolder: "/nowhere")) { service in
                let description = try await APIDescription(from: service)
                #expect(
                    Set(service.endpoints.map { "\($0.method.rawValue) \($0.path)" }) == description.operations,
                    "the endpoints and openapi.json differ")
                for endpoint in service.endpoints {
                    #expect(
                        description.isOpen(endpoint.method.rawValue, endpoint.path) == (endpoint.access == .open),
                        "\(endpoint.path)")
                }
            }
        }

        @Test func `the answers are those that are described`() async throws {
            try await LiveService.with { service in
                let description = try await APIDescription(from: service)
                func check(
                    _ method: String, _ path: String, as template: String? = nil, body: String? = nil,
                    headers: [String: String] = [:], _ status: Int
                ) async throws {
                    let answer = try await service.request(method, path, headers: headers, body: body)
                    #expect(answer.status == status, "\(method) \(path) \(answer.text)")
                    let faults = description.faults(of: answer, to: method, template ?? path)
                    #expect(faults.isEmpty, "\(method) \(path) \(status): \(faults) in \(answer.text)")
                }
                let id = try await service.test.insertVideo(product: "p")
                let unknown = "00000000-0000-4000-8000-000000000000"
                let (video, ready) = ("/videos/{id}", "/videos/{id}/social-ready")
                func trigger(_ id: String) -> String { "{\"videoId\":\"\(id)\"}" }
                let pending = "{\"social_ready_status\":\"pending\"}"

                try await check("GET", "/healthz", 200)
                try await check("GET", "/readyz", 200)
                try await check("GET", "/openapi.json", 200)
                try await check("GET", "/metrics", 200)
                try await check("POST", "/transcode", body: trigger(id), 202)
                try await check("POST", "/transcode", body: trigger(unknown), 404)
                try await check("POST", "/transcode", body: "{}", 400)
                try await check("POST", "/transcode", body: String(repeating: "x", count: 70_000), 413)
                try await check("GET", "/videos?productId=p", as: "/videos", 200)
                try await check("GET", "/videos", 400)
                try await check("GET", "/videos", headers: ["sec-fetch-site": "cross-site"], 403)
                try await check("GET", "/videos/\(id)", as: video, 200)
                try await check("GET", "/videos/\(unknown)", as: video, 404)
                try await check("GET", "/videos/\(id)/social-ready", as: ready, 202)
                try await check("GET", "/videos/\(id)/social-ready?wait=x", as: ready, 400)
                let job = try await service.claim()
                try await check("POST", "/transcode", body: trigger(id), 200)
                try await check("GET", "/videos/\(id)", as: video, 200)
                try await check("GET", "/videos/\(id)/social-ready?wait=0.2", as: ready, 202)
                try await check("PATCH", "/videos/\(id)", as: video, body: pending, 409)
                #expect(
                    try await service.store.complete(job, key: "k", url: "https://x/y.mp4", report: "{\"ok\":true}"))
                try await check("POST", "/.netlify/functions/video-transcode-background", body: trigger(id), 200)
                try await check("GET", "/videos/\(id)", as: video, 200)
                try await check("GET", "/videos/\(id)/social-ready", as: ready, 200)
                try await check("GET", "/videos/\(id)/events", as: "/videos/{id}/events", 200)
                try await check("DELETE", "/videos/\(id)/transcode", as: "/videos/{id}/transcode", 409)
                try await check("PATCH", "/videos/\(id)", as: video, body: "{}", 400)
                try await check("PATCH", "/videos/\(id)", as: video, body: pending, 200)
                try await check("DELETE", "/videos/\(id)/transcode", as: "/videos/{id}/transcode", 200)
                try await check("GET", "/videos/\(id)", as: video, 200)
                try await check("GET", "/videos/\(id)/social-ready", as: ready, 422)
                try await check("GET", "/videos/\(id)/events", as: "/videos/{id}/events", 200)
                service.readiness.storageChanged(Readiness.unprepared)
                try await check("GET", "/readyz", 503)
                // A fault of the program's own.
                try await service.store.database.query("alter table product_videos drop social_ready_stage cascade")
                try await check("GET", "/videos/\(id)", as: video, 500)
            }
        }

        @Test func `events are as they are described`() async throws {
            try await LiveService.with { service in
                let description = try await APIDescription(from: service)
                let id = try await service.test.insertVideo()
                func check(_ schema: String) async throws {
                    let status = try #require(try await service.store.status(id))
                    let event = VideoEvent(status)
                    #expect(event.name == schema.lowercased())
                    let value = try JSONSerialization.jsonObject(with: Data(event.data.utf8))
                    #expect(
                        description.faults(of: value, as: ["$ref": "#/components/schemas/\(schema)"]).isEmpty,
                        "\(event.data)")
                }
                try await check("Progress")
                let job = try await service.claim()
                try await check("Progress")
                #expect(try await service.store.fail(job, .sourceThrottled, "slow down") != .final)
                try await check("Progress")
                try await service.store.database.query("update product_videos set social_ready_next_attempt_at = now()")
                let again = try await service.claim()
                #expect(try await service.store.complete(again, key: "k", url: "https://x/y.mp4", report: nil))
                try await check("Ready")
                _ = try await service.store.reset(id)
                _ = try await service.store.cancel(id)
                try await check("Failed")
            }
        }

        @Test func `the checker sees what is wrong`() async throws {
            try await LiveService.with { service in
                let description = try await APIDescription(from: service)
                func faults(_ json: String, _ schema: String) throws -> Int {
                    let value = try JSONSerialization.jsonObject(with: Data(json.utf8))
                    return description.faults(of: value, as: ["$ref": "#/components/schemas/\(schema)"]).count
                }
                #expect(try faults("{\"error\":{\"code\":\"usage\",\"message\":\"x\"}}", "Error") == 0)
                #expect(try faults("{\"error\":{\"code\":\"usage\"}}", "Error") == 1)
                #expect(try faults("{\"error\":{\"code\":\"Usage!\",\"message\":\"x\"}}", "Error") == 1)
                #expect(try faults("{\"error\":{\"code\":1,\"message\":\"x\"},\"more\":1}", "Error") == 2)
                #expect(try faults("{\"videos\":[{}]}", "Videos") > 5)
                #expect(
                    try faults("{\"id\":\"x\",\"status\":\"ready\",\"progress\":2,\"stage\":\"x\"}", "Progress") == 2)
            }
        }
    }
}
