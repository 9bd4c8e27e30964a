import Foundation
import HTTPTypes
import Testing

@testable import reelway

extension HTTPTests {
    struct AccessTests {
        private static let token = "0123456789abcdef-planted"

        @Test func `everything but health asks for the token`() async throws {
            try await LiveService.with(.init(token: Self.token, mediaFolder: "/nowhere")) { service in
                for endpoint in service.endpoints {
                    let path = endpoint.path.replacing("{id}", with: "x").replacing("{videoId}/{name}", with: "v/n.mp4")
                    for header in [
                        nil, "", "Bearer", "Bearer ", "Bearer wrong", "Bearer \(Self.token)x",
                        "Bearer \(Self.token.dropLast())",
                        "Basic \(Self.token)", Self.token, "Bearer \(Self.token) more",
                        "Bearer \(Self.token.uppercased())",
                    ] {
                        let answer = try await service.request(
                            endpoint.method.rawValue, path, headers: header.map { ["authorization": $0] } ?? [:])
                        guard endpoint.access == .token else {
                            #expect(answer.status != 401, "\(path)")
                            continue
                        }
                        #expect(answer.status == 401, "\(path) \(header ?? "-")")
                        #expect(answer.errorCode == "unauthorized")
                        #expect(answer.headers["www-authenticate"] == "Bearer")
                    }
                }
                let open = Set(service.endpoints.filter { $0.access == .open }.map(\.path))
                #expect(open == ["/healthz", "/readyz", "/media/{videoId}/{name}"])
                // What isn't served doesn't say so to strangers.
                #expect(try await service.request("GET", "/nothing").status == 401)
                #expect(try await service.request("PUT", "/transcode").status == 401)
            }
        }

        @Test func `the token opens, whatever the scheme's case`() async throws {
            try await LiveService.with(.init(token: Self.token)) { service in
                for header in ["Bearer \(Self.token)", "bearer \(Self.token)", "BEARER  \(Self.token)"] {
                    let answer = try await service.request(
                        "GET", "/videos?productId=x", headers: ["authorization": header])
                    #expect(answer.status == 200, "\(header)")
                }
                #expect(!service.log.text.contains(Self.token))
            }
        }

        @Test(arguments: [
            ("", "a", false), ("a", "a", true), ("b", "a", false), ("aa", "a", false), ("a", "aa", false),
            ("aaa", "a", false), ("abab", "ab", false), ("abc", "abc", true), ("abc", "abd", false), ("x", "", false),
            ("", "", false),
        ])
        func `only the same token is the same`(given: String, expected: String, same: Bool) {
            #expect(Authentication.isEqual(Array(given.utf8), Array(expected.utf8)) == same)
        }

        @Test func `pages of the configured origins may call, others may not read`() async throws {
            let shop = "https://shop.example"
            try await LiveService.with(.init(token: Self.token, origins: [shop, "http://localhost:3000"])) { service in
                let preflight = try await service.request(
                    "OPTIONS", "/videos/x",
                    headers: [
                        "origin": shop, "access-control-request-method": "PATCH",
                        "access-control-request-headers": "authorization",
                    ])
                #expect(preflight.status == 204)
                #expect(preflight.headers["access-control-allow-origin"] == shop)
                #expect(preflight.headers["access-control-allow-methods"] == "GET, PATCH, HEAD")
                #expect(preflight.headers["access-control-allow-headers"]?.contains("authorization") == true)
                #expect(preflight.headers["vary"] == "Origin")
                let call = try await service.request(
                    "GET", "/videos?productId=x", headers: ["origin": shop, "authorization": "Bearer \(Self.token)"])
                #expect(call.status == 200)
                #expect(call.headers["access-control-allow-origin"] == shop)
                // The page has to be able to read why it is refused.
                let refused = try await service.request("GET", "/videos?productId=x", headers: ["origin": shop])
                #expect(refused.status == 401)
                #expect(refused.headers["access-control-allow-origin"] == shop)
                for origin in ["https://evil.example", "https://shop.example.evil", "null", "http://shop.example"] {
                    let answer = try await service.request(
                        "OPTIONS", "/videos/x", headers: ["origin": origin, "access-control-request-method": "GET"])
                    #expect(answer.status == 401)
                    #expect(answer.headers["access-control-allow-origin"] == nil)
                    #expect(answer.headers["vary"] == "Origin")
                }
            }
        }

        @Test func `without a token, pages of other origins may change nothing`() async throws {
            try await LiveService.with { service in
                let id = try await service.test.insertVideo()
                let answer = try await service.request(
                    "POST", "/transcode", headers: ["origin": "https://evil.example"], body: "{\"videoId\":\"\(id)\"}")
                #expect(answer.status == 403)
                #expect(answer.errorCode == "unauthorized")
                #expect(try await service.trigger(id).status == 202)
            }
        }

        @Test
        func `without a token, pages of other sites may not even ask, nor under another name than this machine's`()
            async throws
        {
            let page = "http://localhost:3000"
            try await LiveService.with(.init(origins: [page])) { service in
                let id = try await service.test.insertVideo()
                let path = "/videos/\(id)/social-ready"
                for headers in [
                    ["sec-fetch-site": "cross-site"],
                    ["sec-fetch-site": "cross-site", "origin": "https://evil.example"],
                    ["host": "evil.example"], ["host": "evil.example:\(service.port)"], ["host": "127.evil.example"],
                    ["host": "[2001:db8::1]:80"], ["host": "localhost.evil.example"],
                ] {
                    let answer = try await service.request("GET", path, headers: headers)
                    #expect(answer.status == 403, "\(headers)")
                    #expect(answer.errorCode == "unauthorized")
                    #expect(try await service.request("GET", "/healthz", headers: headers).status == 200)
                }
                #expect(service.wakes.value == 0)
                for headers in [
                    ["sec-fetch-site": "cross-site", "origin": page], ["sec-fetch-site": "same-site"],
                    ["sec-fetch-site": "none"], ["host": "localhost:1"], ["host": "127.0.0.1"], ["host": "[::1]:8080"],
                    ["host": "LOCALHOST"],
                ] {
                    #expect(try await service.request("GET", path, headers: headers).status == 202, "\(headers)")
                }
            }
            try await LiveService.with(.init(token: Self.token)) { service in
                let answer = try await service.request(
                    "GET", "/videos?productId=x",
                    headers: [
                        "authorization": "Bearer \(Self.token)", "host": "video.example",
                        "sec-fetch-site": "cross-site",
                    ])
                #expect(answer.status == 200)
            }
        }
    }
}
