import Foundation
import LoopbackHTTP
import NIOCore

/// Buckets and objects under `/storage/v1`. Nearly every refusal is HTTP 400 with the true status in its JSON.
struct SupabaseREST: Sendable {
    let keys: SupabaseKeys
    let buckets: SupabaseBuckets
    let backend: ObjectBackend

    /// What is refused, before it is put into Supabase's words.
    struct Refusal: Error {
        let status: Int
        let error: String
        let message: String

        static let noBucket = Refusal(status: 404, error: "Bucket not found", message: "Bucket not found")
        static let noObject = Refusal(status: 404, error: "not_found", message: "Object not found")
        static let duplicate = Refusal(status: 409, error: "Duplicate", message: "The resource already exists")
        static let tooLarge = Refusal(
            status: 413, error: "Payload too large", message: "The object exceeded the maximum allowed size")
        static let wrongType = Refusal(
            status: 415, error: "invalid_mime_type", message: "mime type is not supported")
        static let badToken = Refusal(status: 403, error: "Unauthorized", message: "jws verification failed")
        static let forbidden = Refusal(
            status: 403, error: "Unauthorized", message: "new row violates row-level security policy")
        static let noRoute = Refusal(status: 404, error: "Not Found", message: "Route not found")
    }

    func answer(_ exchange: Exchange) async throws {
        do {
            try await route(exchange)
        } catch let refusal as Refusal {
            while try await exchange.receive() != nil {}
            let status = refusal.error == "Not Found" ? 404 : refusal.status >= 500 ? 500 : 400
            try await send(
                [
                    "statusCode": "\(refusal.status)", "error": refusal.error, "message": refusal.message,
                ], status: status, on: exchange)
        }
    }

    private func route(_ exchange: Exchange) async throws {
        let request = exchange.request
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count > 2, parts[0] == "storage", parts[1] == "v1" else { throw Refusal.noRoute }
        if parts.count > 5, parts[2] == "object", parts[3] == "public" {
            guard request.method == "GET" || request.method == "HEAD" else { throw Refusal.noRoute }
            guard buckets[parts[4]]?.isPublic == true else { throw Refusal.noBucket }
            return try await give(parts[4...].joined(separator: "/"), exchange)
        }
        guard let role = Self.role(of: request, keys) else { throw Refusal.badToken }
        guard role == "service_role" else { throw Refusal.forbidden }
        switch (request.method, parts[2], parts.count) {
        case ("GET", "bucket", 4): try await describe(parts[3], exchange)
        case ("POST", "bucket", 3): try await create(exchange)
        case ("PUT", "bucket", 4): try await change(parts[3], exchange)
        case ("GET", "object", 6...) where parts[3] == "authenticated",
            ("HEAD", "object", 6...) where parts[3] == "authenticated":
            try await give(parts[4...].joined(separator: "/"), exchange)
        case ("GET", "object", 5...), ("HEAD", "object", 5...):
            try await give(parts[3...].joined(separator: "/"), exchange)
        case ("POST", "object", 5...), ("PUT", "object", 5...): try await store(parts, exchange)
        case ("DELETE", "object", 5...):
            let path = parts[3...].joined(separator: "/")
            guard try await backend.exists(path) else { throw Refusal.noObject }
            _ = try await backend.send("DELETE", "/\(path)")
            try await send(["message": "Successfully deleted"], on: exchange)
        default: throw Refusal.noRoute
        }
    }

    /// The role a request speaks for: a JWT in Authorization, or an opaque key in `apikey` that the gateway turns into one.
    static func role(of request: LoopbackRequest, _ keys: SupabaseKeys) -> String? {
        let authorization = request["Authorization"]
        if request["apikey"] == keys.secret, authorization == nil || authorization == "Bearer \(keys.secret)" {
            return "service_role"
        }
        guard let authorization, authorization.hasPrefix("Bearer ") else { return nil }
        return keys.role(of: String(authorization.dropFirst(7)))
    }

    // MARK: Buckets

    private func describe(_ name: String, _ exchange: Exchange) async throws {
        guard let bucket = buckets[name] else { throw Refusal.noBucket }
        try await send(
            [
                "id": name, "name": name, "public": bucket.isPublic,
                "file_size_limit": bucket.fileSizeLimit.map { $0 as Any } ?? NSNull(),
                "allowed_mime_types": bucket.types.map { $0 as Any } ?? NSNull(),
            ], on: exchange)
    }

    private func create(_ exchange: Exchange) async throws {
        let json = try await object(exchange)
        guard let name = json["name"] as? String else {
            throw Refusal(status: 400, error: "Error", message: "body must have required property 'name'")
        }
        guard buckets[name] == nil else { throw Refusal.duplicate }
        let bucket = try read(json, over: .init())
        let made = try await backend.send("PUT", "/\(name)")
        guard (200..<300).contains(made.status) || made.status == 409 else {
            throw Refusal(status: 500, error: "InternalError", message: "the store answered \(made.status)")
        }
        buckets[name] = bucket
        try await send(["name": name], on: exchange)
    }

    private func change(_ name: String, _ exchange: Exchange) async throws {
        let json = try await object(exchange)
        guard let bucket = buckets[name] else { throw Refusal.noBucket }
        buckets[name] = try read(json, over: bucket)
        try await send(["message": "Successfully updated"], on: exchange)
    }

    private func read(
        _ json: [String: Any], over bucket: SupabaseBuckets.Bucket
    ) throws -> SupabaseBuckets.Bucket {
        var bucket = bucket
        if let isPublic = json["public"] as? Bool { bucket.isPublic = isPublic }
        if let types = json["allowed_mime_types"] as? [String] { bucket.types = types }
        if let limit = json["file_size_limit"] as? Int64 {
            bucket.fileSizeLimit = limit
        } else if let limit = json["file_size_limit"] as? String, limit.hasSuffix("MB") {
            bucket.fileSizeLimit = Int64(limit.dropLast(2)).map { $0 * 1_000_000 }
        }
        if let limit = bucket.fileSizeLimit, limit > buckets.limit { throw Refusal.tooLarge }
        return bucket
    }

    // MARK: Objects

    private func store(_ parts: [String], _ exchange: Exchange) async throws {
        let request = exchange.request
        let (bucket, path) = (parts[3], parts[3...].joined(separator: "/"))
        guard buckets[bucket] != nil else { throw Refusal.noBucket }
        try Self.check(key: parts[4...].joined(separator: "/").removingPercentEncoding ?? "")
        guard buckets.takes(request["Content-Type"], in: bucket) else { throw Refusal.wrongType }
        let upserts = request.method == "PUT" || request["x-upsert"] == "true"
        if !upserts, try await backend.exists(path) { throw Refusal.duplicate }
        let limit = buckets.limit(of: bucket)
        guard request["Content-Length"].flatMap({ Int64($0) }) ?? 0 <= limit else { throw Refusal.tooLarge }
        let body = try await exchange.receiveAll(limit: Int(limit))
        let headers = [
            ("Content-Type", request["Content-Type"] ?? "application/octet-stream"),
            ("Cache-Control", request["cache-control"] ?? "no-cache"),
        ]
        let stored = try await backend.send("PUT", "/\(path)", headers: headers, body: body)
        guard stored.status == 200 else {
            throw Refusal(status: 500, error: "InternalError", message: "the store answered \(stored.status)")
        }
        try await send(["Id": UUID().uuidString.lowercased(), "Key": path], on: exchange)
    }

    private func give(_ path: String, _ exchange: Exchange) async throws {
        let request = exchange.request
        let own = LoopbackRequest(
            method: request.method, target: "/\(path)",
            headers: request.headers.filter { $0.name.lowercased() == "range" })
        try await backend.store.exchange(backend.signed(own, target: "/\(path)")) { _ in
        } answer: { status, headers, answer in
            guard status != 404 else {
                try await answer.discard()
                throw Refusal.noObject
            }
            try await exchange.send(status: status, headers: headers + [("X-Robots-Tag", "none")])
            while let bytes = try await answer.next() { try await exchange.send(bytes) }
            try await exchange.finish()
        }
    }

    /// The characters that a key may hold.
    static func check(key: String) throws(Refusal) {
        let allowed = /[A-Za-z0-9_\/!.\-*'() &$=@;:+,?]+/
        guard !key.isEmpty, key.wholeMatch(of: allowed) != nil else {
            throw Refusal(status: 400, error: "InvalidKey", message: "Invalid key: \(key)")
        }
    }

    private func object(_ exchange: Exchange) async throws -> [String: Any] {
        let body = Data((try await exchange.receiveAll()).readableBytesView)
        return (try? JSONSerialization.jsonObject(with: body) as? [String: Any]) ?? [:]
    }

    private func send(_ json: Any, status: Int = 200, on exchange: Exchange) async throws {
        let body = try JSONSerialization.data(withJSONObject: json, options: [.sortedKeys])
        try await exchange.answer(
            status: status, headers: [("Content-Type", "application/json; charset=utf-8")],
            body: ByteBuffer(bytes: body))
    }
}
