internal import Foundation

/// The requests of the tus protocol 1.0.0: an upload of known length, in chunks, each begun where the server says the
/// last one ended. Each request is made once: what failed is asked for with `offset` before it is sent again.
struct TUSClient: Sendable {
    /// Where uploads are created.
    let endpoint: String
    /// Sent with each request: credentials, and for Supabase `x-upsert`, which it reads from every one.
    let headers: [(name: String, value: String)]
    let client: HTTPClient

    typealias Cancellation = @Sendable () -> Bool
    typealias Answer<Value> = Result<Value, StorageFailure>

    /// Creates an upload and gives its address.
    ///
    /// - Parameter metadata: in the order they are sent.
    func create(
        bytes: Int64, metadata: [(name: String, value: String)], _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Answer<String> {
        let encoded = metadata.map { "\($0.name) \(Data($0.value.utf8).base64EncodedString())" }.joined(separator: ",")
        return try send(
            "POST", endpoint, [("Upload-Length", "\(bytes)"), ("Upload-Metadata", encoded)], body: [], isCancelled
        ) { (response) throws(StorageFailure) in
            guard response.head.status == 201, let location = response.head["Location"],
                let url = TUSClient.address(of: location, createdAt: endpoint)
            else { throw StorageFailure(strange: response) }
            return url
        }
    }

    /// How many bytes of an upload the server has.
    func offset(_ upload: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Answer<Int64> {
        try send("HEAD", upload, [], body: nil, isCancelled) { (response) throws(StorageFailure) in
            try TUSClient.offset(in: response)
        }
    }

    /// Sends bytes that begin at an offset, and gives the offset behind them. `onSent` hears of them as they leave.
    func append(
        _ upload: String, _ bytes: [UInt8], at offset: Int64, _ isCancelled: @escaping Cancellation,
        onSent: (@Sendable (Int) -> Void)? = nil
    ) throws(TransferError) -> Answer<Int64> {
        try send(
            "PATCH", upload,
            [("Upload-Offset", "\(offset)"), ("Content-Type", "application/offset+octet-stream")], body: bytes,
            isCancelled, onSent: onSent
        ) { (response) throws(StorageFailure) in
            let reached = try TUSClient.offset(in: response)
            guard reached == offset + Int64(bytes.count) else { throw StorageFailure(strange: response) }
            return reached
        }
    }

    /// Throws an unfinished upload away.
    func terminate(_ upload: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Answer<Void> {
        try send("DELETE", upload, [], body: nil, isCancelled) { _ in }
    }

    private func send<Value>(
        _ method: String, _ url: String, _ more: [(name: String, value: String)], body: [UInt8]?,
        _ isCancelled: @escaping Cancellation, onSent: (@Sendable (Int) -> Void)? = nil,
        read: (HTTPResponse) throws(StorageFailure) -> Value
    ) throws(TransferError) -> Answer<Value> {
        var request = HTTPRequest(method, url, headers: [("Tus-Resumable", "1.0.0")] + headers + more, body: body)
        request.onSent = onSent
        let response: HTTPResponse
        do {
            response = try client.send(request, isCancelled: isCancelled)
        } catch {
            if error.code == .cancelled { throw error }
            return .failure(StorageFailure(transport: error))
        }
        do throws(StorageFailure) {
            guard (200..<300).contains(response.head.status) else { throw StorageFailure(supabase: response) }
            return .success(try read(response))
        } catch {
            return .failure(error)
        }
    }

    private static func offset(in response: HTTPResponse) throws(StorageFailure) -> Int64 {
        guard let offset = response.head["Upload-Offset"].flatMap({ Int64($0) }), offset >= 0 else {
            throw StorageFailure(strange: response)
        }
        return offset
    }

    /// The path of a `Location` on the origin that we chose: the credentials go nowhere else, and a server behind a
    /// gateway may know itself by an inner name.
    static func address(of location: String, createdAt endpoint: String) -> String? {
        guard let resolved = HTTPAddress.redirect(from: endpoint, to: location), let target = HTTPAddress(resolved),
            let chosen = HTTPAddress(endpoint)
        else { return nil }
        let query = resolved.firstIndex(of: "?").map { String(resolved[$0...]) } ?? ""
        return "\(chosen.origin)\(target.path)\(query)"
    }
}
