import Foundation
import Testing
import Transfer

@testable import reelway

extension HTTPTests {
    struct MediaFileTests {
        private static let content = Data((0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })

        private func serving(_ body: @Sendable @escaping (LiveService) async throws -> Void) async throws {
            let folder = try TestFolder()
            try folder.write("media/video 1/0123456789ab.mp4", Self.content)
            try folder.write("media/video 1/empty.mp4", Data())
            try folder.write("media/video 1/.half.mp4", Data("half".utf8))
            try folder.write("media/video 1/notes.txt", Data("no".utf8))
            try folder.write("secret.mp4", Data("secret".utf8))
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/media/video 1/link.mp4", withDestinationPath: folder.path + "/secret.mp4")
            // With a token: whoever fetches a public address has none.
            try await LiveService.with(
                .init(token: "0123456789abcdef", mediaFolder: folder.path + "/media")
            ) { service in
                try await body(service)
                withExtendedLifetime(folder) {}
            }
        }

        private static let path = "/media/video%201/0123456789ab.mp4"

        @Test func `a file is served whole, to the byte`() async throws {
            try await serving { service in
                let answer = try await service.request("GET", Self.path)
                #expect(answer.status == 200)
                #expect(answer.body == Self.content)
                #expect(answer.headers["content-type"] == "video/mp4")
                #expect(answer.headers["accept-ranges"] == "bytes")
                #expect(answer.headers["cache-control"] == "public, max-age=31536000, immutable")
                let head = try await service.request("HEAD", Self.path)
                #expect(head.status == 200)
                #expect(head.headers["content-length"] == String(Self.content.count))
                let tag = try #require(answer.headers["etag"])
                #expect(try await service.request("GET", Self.path, headers: ["if-none-match": tag]).status == 304)
                #expect(try await service.request("GET", "/media/video%201/empty.mp4").body.isEmpty)
            }
        }

        @Test(arguments: ["50% #1", "shop/7", "shop%2F7", ".x", "..", "a\\b", "ü"])
        func `a stored video is served at its address, whatever its id is`(id: String) async throws {
            let folder = try TestFolder()
            let store = DirectoryStore(folder: folder.path + "/media", publicURL: "/media")
            try store.upload(key: "\(id)/0123456789ab.mp4", onEvent: { _ in }).finish(head: Array("video".utf8))
            try await LiveService.with(.init(token: "0123456789abcdef", mediaFolder: store.folder)) { service in
                let answer = try await service.request("GET", store.publicURL(key: "\(id)/0123456789ab.mp4"))
                #expect(answer.text == "video")
                withExtendedLifetime(folder) {}
            }
        }

        @Test func `a file is served whatever time it has`() async throws {
            let folder = try TestFolder(in: "/dev/shm")
            try folder.write("1/0123456789ab.mp4", Self.content)
            let times = [timespec(tv_sec: 0, tv_nsec: 0), timespec(tv_sec: .max / 2, tv_nsec: 0)]
            #expect(utimensat(AT_FDCWD, folder.path + "/1/0123456789ab.mp4", times, 0) == 0)
            try await LiveService.with(.init(mediaFolder: folder.path)) { service in
                let answer = try await service.request("GET", "/media/1/0123456789ab.mp4")
                #expect(answer.body == Self.content)
                withExtendedLifetime(folder) {}
            }
        }

        @Test func `ranges are served as they are asked for`() async throws {
            try await serving { service in
                let size = Self.content.count
                for (range, expected) in [
                    ("bytes=0-0", 0..<1), ("bytes=0-99", 0..<100), ("bytes=299990-", 299_990..<size),
                    ("bytes=-10", (size - 10)..<size), ("bytes=100-999999999", 100..<size),
                    ("bytes=-999999999", 0..<size), ("bytes=5-99999999999999999999999", 5..<size),
                    ("bytes= 5-9", 5..<10), ("bytes=5 - 9\t", 5..<10), ("Bytes=-10 ", (size - 10)..<size),
                ] {
                    let answer = try await service.request("GET", Self.path, headers: ["range": range])
                    try #require(answer.status == 206, "\(range)")
                    #expect(answer.body == Self.content[expected], "\(range)")
                    #expect(
                        answer.headers["content-range"]
                            == "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/\(size)")
                }
                for range in ["bytes=300000-", "bytes=-0", "bytes=99999999999999999999999-"] {
                    let answer = try await service.request("GET", Self.path, headers: ["range": range])
                    #expect(answer.status == 416, "\(range)")
                    #expect(answer.headers["content-range"] == "bytes */\(size)")
                }
                for range in [
                    "bytes=9-5", "bytes=a-b", "bytes=1 0-20", "bytes=1-2,4-5", "lines=1-2", "bytes=", "bytes=-",
                ] {
                    #expect(
                        try await service.request("GET", Self.path, headers: ["range": range]).status == 200, "\(range)"
                    )
                }
                let old = try await service.request(
                    "GET", Self.path, headers: ["range": "bytes=0-9", "if-range": "\"another\""])
                #expect(old.status == 200)
            }
        }

        @Test func `nothing but finished videos of the folder is served`() async throws {
            try await serving { service in
                for path in [
                    "/media/video%201/none.mp4", "/media/video%201/.half.mp4", "/media/video%201/notes.txt",
                    "/media/video%201/link.mp4", "/media/../secret.mp4", "/media/%2e%2e/secret.mp4",
                    "/media/video%201/..%2f..%2fsecret.mp4", "/media/x%2f..%2f..%2fsecret.mp4/a.mp4",
                    "/media/video%201/%2e%2e", "/media/video%201", "/media//etc/passwd.mp4",
                ] {
                    let status = try await service.request("GET", path).status
                    #expect(status == 404 || status == 401, "\(path)")
                }
                #expect(try await service.request("GET", "/media/video%201/%00.mp4").status == 400)
                #expect(try await service.request("GET", "/media/%FF/a.mp4").status == 400)
            }
        }
    }
}
