import LoopbackHTTP
import NIOCore

/// The store behind the stand-in: buckets and objects in a real S3 store.
struct ObjectBackend: Sendable {
    let store: Upstream
    let accessKey: String
    let secretKey: String

    /// The same request, addressed to the store and signed anew.
    func signed(_ request: LoopbackRequest, target: String) -> LoopbackRequest {
        Signature.sign(request, target: target, host: store.authority, accessKey: accessKey, secret: secretKey)
    }

    /// A request of the stand-in's own.
    func send(
        _ method: String, _ target: String, headers: [(name: String, value: String)] = [],
        body: ByteBuffer = ByteBuffer()
    ) async throws -> Upstream.Reply {
        var headers = headers
        if method != "GET", method != "HEAD" { headers.append(("Content-Length", "\(body.readableBytes)")) }
        let request = LoopbackRequest(method: method, target: target, headers: headers)
        return try await store.fetch(signed(request, target: target), body: body)
    }

    func exists(_ path: String) async throws -> Bool { try await send("HEAD", "/\(path)").status == 200 }
}
