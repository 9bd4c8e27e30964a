import Foundation
import LoopbackHTTP
import NIOCore
import Synchronization

/// Resumable uploads under `/storage/v1/upload/resumable`: Supabase's rules here, the protocol in a tus server behind. A
/// finished upload is moved to the store by the request that finished it.
final class SupabaseTUS: Sendable {
    private struct Upload {
        let target: String
        let bucket: String
        let path: String
        let type: String
        let cacheControl: String
        let length: Int64
        var isStored = false
    }

    private static let route = "/storage/v1/upload/resumable"
    private let keys: SupabaseKeys
    private let buckets: SupabaseBuckets
    private let backend: ObjectBackend
    private let server: Upstream
    private let creation: String
    private let uploads = Mutex<[String: Upload]>([:])

    init(keys: SupabaseKeys, buckets: SupabaseBuckets, backend: ObjectBackend, server: String) throws {
        self.keys = keys
        self.buckets = buckets
        self.backend = backend
        self.server = try Upstream(server)
        creation = URLComponents(string: server)?.percentEncodedPath ?? "/"
    }

    func answer(_ exchange: Exchange) async throws {
        let request = exchange.request
        exchange.note { $0.subject = "tus \(request.method)" }
        if request.method == "OPTIONS" { return try await relay(exchange, to: creation) }
        guard SupabaseREST.role(of: request, keys) == "service_role" else {
            return try await refuse(exchange, 403, "jws verification failed")
        }
        guard request.path != Self.route else {
            guard request.method == "POST" else { return try await refuse(exchange, 405, "Method not allowed") }
            return try await create(exchange)
        }
        let id = String(request.path.dropFirst(Self.route.count + 1))
        guard let upload = uploads.withLock({ $0[id] }) else {
            return try await refuse(exchange, 404, "The file for this url was not found")
        }
        switch request.method {
        case "PATCH": try await append(upload, id, exchange)
        case "DELETE" where upload.isStored: try await refuse(exchange, 400, "The upload is finished")
        default: try await relay(exchange, to: upload.target)
        }
    }

    private func create(_ exchange: Exchange) async throws {
        let request = exchange.request
        var metadata: [String: String] = [:]
        for pair in (request["Upload-Metadata"] ?? "").split(separator: ",") {
            let halves = pair.split(separator: " ").map(String.init)
            if halves.count == 2, let value = Data(base64Encoded: halves[1]) {
                metadata[halves[0]] = String(decoding: value, as: UTF8.self)
            }
        }
        guard let bucket = metadata["bucketName"], let key = metadata["objectName"],
            let length = request["Upload-Length"].flatMap({ Int64($0) })
        else { return try await refuse(exchange, 400, "bucketName, objectName and Upload-Length are needed") }
        guard buckets[bucket] != nil else { return try await refuse(exchange, 404, "Bucket not found") }
        guard (try? SupabaseREST.check(key: key)) != nil else {
            return try await refuse(exchange, 400, "Invalid key: \(key)")
        }
        guard length <= buckets.limit(of: bucket) else {
            return try await refuse(exchange, 413, "Maximum size exceeded")
        }
        guard buckets.takes(metadata["contentType"], in: bucket) else {
            return try await refuse(exchange, 415, "mime type is not supported")
        }
        let path = "\(bucket)/\(key)".split(separator: "/", omittingEmptySubsequences: false).map {
            $0.addingPercentEncoding(withAllowedCharacters: .init(charactersIn: Self.unreserved)) ?? ""
        }.joined(separator: "/")
        if request["x-upsert"] != "true", try await backend.exists(path) {
            return try await refuse(exchange, 409, "The resource already exists")
        }
        let own = forwarded(request, to: creation)
        try await server.exchange(own) { _ in
            while try await exchange.receive() != nil {}
        } answer: { status, headers, answer in
            var headers = headers
            if let place = headers.firstIndex(where: { $0.name.lowercased() == "location" }), status == 201 {
                let target = URLComponents(string: headers[place].value)?.percentEncodedPath ?? ""
                let id = UUID().uuidString.lowercased()
                uploads.withLock {
                    $0[id] = Upload(
                        target: target, bucket: bucket, path: path,
                        type: metadata["contentType"] ?? "application/octet-stream",
                        cacheControl: metadata["cacheControl"].map { "max-age=\($0)" } ?? "no-cache", length: length)
                }
                headers[place].value = "http://\(request["Host"] ?? "")\(Self.route)/\(id)"
            }
            try await pass(status, headers, answer, exchange)
        }
    }

    private func append(_ upload: Upload, _ id: String, _ exchange: Exchange) async throws {
        let request = exchange.request
        try await server.exchange(forwarded(request, to: upload.target)) { store in
            while let bytes = try await exchange.receive() { try await store.send(bytes) }
        } answer: { status, headers, answer in
            let offset = headers.first { $0.name.lowercased() == "upload-offset" }.flatMap { Int64($0.value) }
            guard status == 204, offset == upload.length else {
                return try await pass(status, headers, answer, exchange)
            }
            try await answer.discard()
            if request["x-upsert"] != "true", try await backend.exists(upload.path) {
                return try await refuse(exchange, 409, "The resource already exists")
            }
            guard try await store(upload) else { return try await refuse(exchange, 500, "The store failed") }
            uploads.withLock { $0[id]?.isStored = true }
            try await exchange.send(status: status, headers: headers + [("Tus-Complete", "1")])
            try await exchange.finish()
        }
    }

    /// Moves a finished upload to the store, streaming.
    private func store(_ upload: Upload) async throws -> Bool {
        let get = LoopbackRequest(method: "GET", target: upload.target, headers: [("Host", server.authority)])
        let put = LoopbackRequest(
            method: "PUT", target: "/\(upload.path)",
            headers: [
                ("Content-Type", upload.type), ("Cache-Control", upload.cacheControl),
                ("Content-Length", "\(upload.length)"),
            ])
        var isStored = false
        try await server.exchange(get) { _ in
        } answer: { status, _, finished in
            guard status == 200 else { return try await finished.discard() }
            try await backend.store.exchange(backend.signed(put, target: put.target)) { store in
                while let bytes = try await finished.next() { try await store.send(bytes) }
            } answer: { status, _, answer in
                try await answer.discard()
                isStored = status == 200
            }
        }
        return isStored
    }

    private static let unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

    private func forwarded(_ request: LoopbackRequest, to target: String) -> LoopbackRequest {
        let dropped: Set = ["host", "authorization", "apikey", "x-upsert", "expect", "connection"]
        return LoopbackRequest(
            method: request.method, target: target,
            headers: request.headers.filter { !dropped.contains($0.name.lowercased()) } + [("Host", server.authority)])
    }

    private func relay(_ exchange: Exchange, to target: String) async throws {
        try await server.exchange(forwarded(exchange.request, to: target)) { _ in
        } answer: { status, headers, answer in
            try await pass(status, headers, answer, exchange)
        }
    }

    private func pass(
        _ status: Int, _ headers: [(name: String, value: String)], _ answer: Upstream.Answer, _ exchange: Exchange
    ) async throws {
        try await exchange.send(status: status, headers: headers)
        while let bytes = try await answer.next() { try await exchange.send(bytes) }
        try await exchange.finish()
    }

    private func refuse(_ exchange: Exchange, _ status: Int, _ message: String) async throws {
        while try await exchange.receive() != nil {}
        try await exchange.answer(
            status: status, headers: [("Content-Type", "text/plain"), ("Tus-Resumable", "1.0.0")],
            body: ByteBuffer(string: message))
    }
}
