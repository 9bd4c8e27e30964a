import Foundation
import StorageFaults
import Testing

/// Against a real SeaweedFS and a real tus server: `Tests/services/run seaweedfs tus -- swift test`.
@Suite(.enabled(if: Project.isThere), .serialized) struct SupabaseStandInTests {
    static let bytes = noise(300_000)

    @Test func `a bad token is HTTP 400 with 403 inside`() async throws {
        try await Project.with { project async throws in
            let keys = project.standIn.keys
            for token in ["nonsense", keys.expired, keys.anonymous, String(keys.service.dropLast(3)) + "abc"] {
                let answer = try await project.rest("GET", "bucket/x", token: token)
                #expect(answer.status == 400)
                #expect(answer.json["statusCode"] as? String == "403")
                #expect(answer.json["error"] as? String == "Unauthorized")
            }
            let opaque = try await Curl.run("\(project.base)/bucket/x", "-H", "apikey: \(keys.secret)")
            #expect(opaque.json["statusCode"] as? String == "404")
        }
    }

    @Test func `a bucket is missing, made, and there`() async throws {
        try await Project.with { project async throws in
            let missing = try await project.rest("GET", "bucket/\(project.bucket)")
            #expect(missing.status == 400)
            #expect(missing.json["statusCode"] as? String == "404")
            #expect(try await project.makeBucket().json["name"] as? String == project.bucket)
            #expect(try await project.makeBucket().json["statusCode"] as? String == "409")
            let found = try await project.rest("GET", "bucket/\(project.bucket)")
            #expect(found.json["public"] as? Bool == true)
            #expect(found.json["file_size_limit"] as? Int == 1_000_000)
            let large = #"{"name":"large-\#(project.bucket)","file_size_limit":"300MB"}"#
            let refused = try await project.rest("POST", "bucket", type: "application/json", body: Data(large.utf8))
            #expect(refused.json["statusCode"] as? String == "413")
        }
    }

    @Test func `objects are stored, read, listed and deleted by REST`() async throws {
        try await Project.with { project async throws in
            _ = try await project.makeBucket()
            let path = "\(project.bucket)/7/clip%20one.mp4"
            let stored = try await project.rest("POST", "object/\(path)", type: "video/mp4", body: Self.bytes)
            #expect(stored.status == 200)
            let again = try await project.rest("POST", "object/\(path)", type: "video/mp4", body: Self.bytes)
            #expect(again.status == 400)
            #expect(again.json["statusCode"] as? String == "409")
            let wrong = try await project.rest("POST", "object/\(path)x", type: "text/plain", body: Self.bytes)
            #expect(wrong.json["statusCode"] as? String == "415")
            let large = try await project.rest("POST", "object/\(path)x", type: "video/mp4", body: noise(1_000_001))
            #expect(large.json["statusCode"] as? String == "413")

            let open = try await Curl.run("\(project.base)/object/public/\(path)", "-r", "10-19")
            #expect(open.status == 206)
            #expect(open.body == Self.bytes[10..<20])
            #expect(open["Content-Type"] == "video/mp4")
            #expect(open["X-Robots-Tag"] == "none")
            #expect(try await project.rest("DELETE", "object/\(path)").status == 200)
            let gone = try await Curl.run("\(project.base)/object/public/\(path)")
            #expect(gone.status == 400)
            #expect(gone.json["statusCode"] as? String == "404")
        }
    }

    @Test func `session-token credentials upload by S3`() async throws {
        try await Project.with { project async throws in
            _ = try await project.makeBucket()
            let created = try await project.s3("POST", "clip.mp4?uploads=", type: "video/mp4")
            let upload = created.text.firstMatch(of: /<UploadId>(.+?)<\/UploadId>/).map { String($0.1) } ?? ""
            let part = try await project.s3("PUT", "clip.mp4?partNumber=1&uploadId=\(upload)", body: Self.bytes)
            let tag = try #require(part["ETag"])
            #expect(!tag.contains("\""))
            let xml =
                "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\(tag)</ETag></Part></CompleteMultipartUpload>"
            let done = try await project.s3(
                "POST", "clip.mp4?uploadId=\(upload)", type: "application/xml", body: Data(xml.utf8))
            #expect(done.status == 200)
            #expect(try await Curl.run("\(project.base)/object/public/\(project.bucket)/clip.mp4").body == Self.bytes)
        }
    }

    @Test func `wrong S3 credentials and broken rules are refused`() async throws {
        try await Project.with { project async throws in
            _ = try await project.makeBucket()
            let keys = project.standIn.keys
            func code(_ answer: Curl) -> String {
                answer.text.firstMatch(of: /<Code>(.+?)<\/Code>/).map { String($0.1) } ?? ""
            }
            let secret = try await project.s3("PUT", "a.mp4", type: "video/mp4", secret: keys.service, body: Self.bytes)
            #expect(secret.status == 403 && code(secret) == "SignatureDoesNotMatch")
            let access = try await project.s3("PUT", "a.mp4", type: "video/mp4", access: "other", body: Self.bytes)
            #expect(access.status == 403 && code(access) == "InvalidAccessKeyId")
            for token in [keys.expired, keys.anonymous, "x"] {
                let answer = try await project.s3("PUT", "a.mp4", type: "video/mp4", token: token, body: Self.bytes)
                #expect(answer.status == 403 && code(answer) == "AccessDenied")
            }
            let type = try await project.s3("PUT", "a.mp4", type: "text/plain", body: Self.bytes)
            #expect(type.status == 415)
            // A repeated part counts again toward the limit of 1,000,000 bytes.
            let created = try await project.s3("POST", "clip.mp4?uploads=", type: "video/mp4")
            let upload = created.text.firstMatch(of: /<UploadId>(.+?)<\/UploadId>/).map { String($0.1) } ?? ""
            var statuses: [Int] = []
            for _ in 0..<4 {
                let target = "clip.mp4?partNumber=1&uploadId=\(upload)"
                statuses.append(try await project.s3("PUT", target, body: Self.bytes).status)
            }
            #expect(statuses == [200, 200, 200, 413])
        }
    }

    @Test func `an upload goes in chunks by TUS`() async throws {
        try await Project.with { project async throws in
            _ = try await project.makeBucket()
            let upload = try #require(try await project.create("7/clip.mp4", Self.bytes.count)["Location"])
            #expect(try await project.patch(upload, 0, Self.bytes.prefix(200_000)).status == 204)
            let head = try await project.tus("-I", upload)
            #expect(head["Upload-Offset"] == "200000")
            #expect(try await project.patch(upload, 5, Self.bytes.prefix(5)).status == 409)
            let open = "\(project.base)/object/public/\(project.bucket)/7/clip.mp4"
            #expect(try await Curl.run(open).status == 400)
            let last = try await project.patch(upload, 200_000, Self.bytes.dropFirst(200_000))
            #expect(last.status == 204)
            #expect(last["Tus-Complete"] == "1")
            let stored = try await Curl.run(open)
            #expect(stored.body == Self.bytes)
            #expect(stored["Cache-Control"] == "max-age=3600")
        }
    }

    @Test func `TUS uploads that break the rules are refused`() async throws {
        try await Project.with { project async throws in
            #expect(try await project.create("a.mp4", 10).status == 404)
            _ = try await project.makeBucket()
            #expect(try await project.create("a.mp4", 1_000_001).status == 413)
            #expect(try await project.create("a.mp4", 10, type: "text/plain").status == 415)
            #expect(try await project.create("a#.mp4", 10).status == 400)
            #expect(try await Curl.run("-X", "POST", "\(project.base)/upload/resumable").status == 403)
            #expect(try await project.tus("-I", "\(project.base)/upload/resumable/none").status == 404)

            let first = try #require(try await project.create("a.mp4", 5)["Location"])
            #expect(try await project.patch(first, 0, Data("first".utf8)).status == 204)
            #expect(try await project.create("a.mp4", 5, upserts: false).status == 409)
            // x-upsert is read from every request, so one that lacks it can't finish.
            let second = try #require(try await project.create("a.mp4", 5)["Location"])
            #expect(try await project.patch(second, 0, Data("other".utf8), upserts: false).status == 409)
            #expect(try await Curl.run("\(project.base)/object/public/\(project.bucket)/a.mp4").text == "first")
        }
    }
}

/// A project with a bucket of its own.
private struct Project {
    static let environment = ProcessInfo.processInfo.environment
    static var isThere: Bool {
        environment["REELWAY_TEST_S3_ENDPOINT"] != nil && environment["REELWAY_TEST_TUS_URL"] != nil
    }

    let standIn: SupabaseStandIn
    let bucket: String
    var base: String { standIn.url + "/storage/v1" }

    static func with(_ body: (Project) async throws -> Void) async throws {
        let standIn = try await SupabaseStandIn.start(
            store: environment["REELWAY_TEST_S3_ENDPOINT"] ?? "",
            accessKey: environment["REELWAY_TEST_S3_ACCESS_KEY"] ?? "",
            secretKey: environment["REELWAY_TEST_S3_SECRET_KEY"] ?? "", tus: environment["REELWAY_TEST_TUS_URL"] ?? "")
        let project = Project(standIn: standIn, bucket: "project-\(UUID().uuidString.lowercased())")
        do { try await body(project) } catch {
            try await project.end()
            throw error
        }
        try await project.end()
    }

    /// Each bucket takes up the store's volumes until it is deleted.
    private func end() async throws {
        _ = try await s3("DELETE", nil)
        await standIn.stop()
    }

    func rest(
        _ method: String, _ path: String, type: String = "text/plain", token: String? = nil, body: Data? = nil
    ) async throws -> Curl {
        try await Curl.run(
            arguments: [
                "-X", method, "\(base)/\(path)", "-H", "Authorization: Bearer \(token ?? standIn.keys.service)", "-H",
                "Content-Type: \(type)",
            ], body: body)
    }

    func makeBucket() async throws -> Curl {
        let json =
            #"{"name":"\#(bucket)","public":true,"file_size_limit":1000000,"allowed_mime_types":["video/mp4"]}"#
        return try await rest("POST", "bucket", type: "application/json", body: Data(json.utf8))
    }

    func s3(
        _ method: String, _ path: String?, type: String = "application/octet-stream", access: String = "stub",
        secret: String? = nil, token: String? = nil, body: Data? = nil
    ) async throws -> Curl {
        try await Curl.run(
            arguments: [
                "-X", method, "\(base)/s3/\(bucket)\(path.map { "/\($0)" } ?? "")", "--aws-sigv4",
                "aws:amz:us-east-1:s3", "--user",
                "\(access):\(secret ?? standIn.keys.anonymous)", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-H",
                "x-amz-security-token: \(token ?? standIn.keys.service)", "-H", "Content-Type: \(type)",
            ], body: body)
    }

    func tus(_ arguments: String..., upserts: Bool = true, body: Data? = nil) async throws -> Curl {
        try await Curl.run(
            arguments: arguments + [
                "-H", "Authorization: Bearer \(standIn.keys.service)", "-H", "Tus-Resumable: 1.0.0", "-H",
                "x-upsert: \(upserts)",
            ], body: body)
    }

    func create(_ key: String, _ length: Int, type: String = "video/mp4", upserts: Bool = true) async throws -> Curl {
        let metadata = [("bucketName", bucket), ("objectName", key), ("contentType", type), ("cacheControl", "3600")]
            .map { "\($0) \(Data($1.utf8).base64EncodedString())" }.joined(separator: ",")
        return try await tus(
            "-X", "POST", "\(base)/upload/resumable", "-H", "Upload-Length: \(length)", "-H",
            "Upload-Metadata: \(metadata)", upserts: upserts)
    }

    func patch(_ upload: String, _ offset: Int, _ bytes: Data, upserts: Bool = true) async throws -> Curl {
        try await tus(
            "-X", "PATCH", upload, "-H", "Upload-Offset: \(offset)", "-H",
            "Content-Type: application/offset+octet-stream", upserts: upserts, body: Data(bytes))
    }
}
