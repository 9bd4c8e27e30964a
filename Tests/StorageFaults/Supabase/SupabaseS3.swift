import Foundation
import LoopbackHTTP
import NIOCore

/// The S3 protocol under `/storage/v1/s3`: session-token credentials, size and type rules; the rest is the store's.
struct SupabaseS3: Sendable {
    let keys: SupabaseKeys
    let buckets: SupabaseBuckets
    let backend: ObjectBackend
    let options: SupabaseStandIn.Options

    func answer(_ exchange: Exchange) async throws {
        let request = exchange.request
        let query = S3Operation.query(of: request)
        let target = String(request.target.dropFirst("/storage/v1/s3".count))
        let path = String(request.path.dropFirst("/storage/v1/s3".count))
        exchange.note { $0.subject = S3Operation.name(method: request.method, path: path, query: query) }

        guard let signature = Signature(request["Authorization"]) else {
            return try await refuse(exchange, 403, "AccessDenied", "Missing signature")
        }
        guard signature.accessKey == options.tenant else {
            return try await refuse(exchange, 403, "InvalidAccessKeyId", "Invalid access key")
        }
        guard let token = request["x-amz-security-token"], let role = keys.role(of: token) else {
            return try await refuse(exchange, 403, "AccessDenied", "Invalid session token")
        }
        guard signature.verifies(request, secret: keys.anonymous) else {
            return try await refuse(exchange, 403, "SignatureDoesNotMatch", "The signature does not match")
        }
        guard role == "service_role" else {
            return try await refuse(exchange, 403, "AccessDenied", "new row violates row-level security policy")
        }
        let bucket = String(path.split(separator: "/").first ?? "").removingPercentEncoding ?? ""
        if request.method == "PUT" {
            guard let length = request["Content-Length"].flatMap({ Int64($0) }) else {
                return try await refuse(exchange, 400, "MissingContentLength", "You must provide Content-Length")
            }
            let total = query["uploadId"].map { buckets.receive(length, upload: $0) } ?? length
            guard total <= buckets.limit(of: bucket) else {
                return try await refuse(
                    exchange, 413, "EntityTooLarge", "The object exceeded the maximum allowed size")
            }
        }
        let creates = query["uploads"] != nil && request.method == "POST"
        let putsObject = request.method == "PUT" && query["partNumber"] == nil && path.split(separator: "/").count > 1
        if creates || putsObject, !buckets.takes(request["Content-Type"], in: bucket) {
            return try await refuse(exchange, 415, "InvalidMimeType", "mime type is not supported")
        }
        try await backend.store.exchange(backend.signed(request, target: target)) { store in
            while let bytes = try await exchange.receive() { try await store.send(bytes) }
        } answer: { status, headers, answer in
            var headers = headers
            if options.unquotedETags, let place = headers.firstIndex(where: { $0.name.lowercased() == "etag" }) {
                headers[place].value.replace("\"", with: "")
            }
            try await exchange.send(status: status, headers: headers)
            while let bytes = try await answer.next() { try await exchange.send(bytes) }
            try await exchange.finish()
        }
    }

    private func refuse(_ exchange: Exchange, _ status: Int, _ code: String, _ message: String) async throws {
        while try await exchange.receive() != nil {}
        let xml =
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><Error><Resource>"
            + "\(exchange.request.path)</Resource><Code>\(code)</Code><Message>\(message)</Message></Error>"
        try await exchange.answer(
            status: status, headers: [("Content-Type", "application/xml; charset=utf-8")],
            body: ByteBuffer(string: xml))
    }
}
