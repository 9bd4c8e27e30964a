internal import Foundation

/// Supabase's REST operations on one bucket. Nearly every refusal is HTTP 400; the status inside its JSON counts.
struct SupabaseClient: Sendable {
    let settings: SupabaseSettings
    let exchange: StoreExchange

    typealias Outcome = StoreExchange.Outcome
    typealias Cancellation = @Sendable () -> Bool

    /// Makes the bucket where it is missing: public, for `video/mp4` only, with the size limit of the settings.
    func prepareBucket(_ isCancelled: @escaping Cancellation) throws(TransferError) {
        let found = try perform("GET", "bucket/\(settings.bucket)", isCancelled) { (response) throws(StorageFailure) in
            if SupabaseClient.isMissing(response) { return false }
            try SupabaseClient.expectSuccess(response)
            return true
        }
        if try found.get(exchange.store) { return }
        let created = try createBucket(limit: settings.fileSizeLimit, isCancelled)
        // The project's own limit may be lower than the one asked for; without one it holds.
        if case .failure(let failure) = created.result, settings.fileSizeLimit != nil, !failure.isTransient,
            failure.code == .storageRejected
        {
            try createBucket(limit: nil, isCancelled).get(exchange.store)
        } else {
            try created.get(exchange.store)
        }
    }

    private func createBucket(
        limit: Int64?, _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<Void> {
        let bucket = SupabaseBucket(
            id: settings.bucket, name: settings.bucket, isPublic: true, fileSizeLimit: limit,
            allowedTypes: ["video/mp4"])
        return try perform("POST", "bucket", json: bucket, isCancelled) { (response) throws(StorageFailure) in
            if StorageFailure.supabaseStatus(of: response).status == 409 { return }
            try SupabaseClient.expectSuccess(response)
        }
    }

    /// Size and tag of an object, `nil` where there is none.
    func head(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<StoredObject?> {
        try perform("HEAD", "object/authenticated/\(path(key))", isCancelled) { (response) throws(StorageFailure) in
            // The body that would tell the true status is left out of a HEAD.
            if response.head.status == 404 || response.head.status == 400 { return nil }
            try SupabaseClient.expectSuccess(response)
            guard let bytes = response.head["Content-Length"].flatMap({ Int64($0) }) else {
                throw StorageFailure(strange: response)
            }
            return StoredObject(key: key, bytes: bytes, etag: response.head["ETag"])
        }
    }

    /// Stores a small object.
    func put(_ key: String, _ bytes: [UInt8], _ isCancelled: @escaping Cancellation) throws(TransferError)
        -> Outcome<Void>
    {
        let headers = [("Content-Type", "video/mp4"), ("x-upsert", "true")]
        return try perform("POST", "object/\(path(key))", headers: headers, body: bytes, isCancelled) {
            (response) throws(StorageFailure) in
            try SupabaseClient.expectSuccess(response)
        }
    }

    /// The bytes of a small object.
    func get(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<[UInt8]> {
        try perform("GET", "object/authenticated/\(path(key))", isCancelled) { (response) throws(StorageFailure) in
            try SupabaseClient.expectSuccess(response)
            return response.body
        }
    }

    /// Deletes an object, if it is there.
    func delete(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<Void> {
        try perform("DELETE", "object/\(path(key))", isCancelled) { (response) throws(StorageFailure) in
            if !SupabaseClient.isMissing(response) { try SupabaseClient.expectSuccess(response) }
        }
    }

    private func path(_ key: String) -> String { "\(settings.bucket)/\(PercentEncoding.path(key))" }

    private func perform<Value>(
        _ method: String, _ path: String, json: some Encodable, _ isCancelled: @escaping Cancellation,
        read: (HTTPResponse) throws(StorageFailure) -> Value
    ) throws(TransferError) -> Outcome<Value> {
        let body = (try? JSONEncoder().encode(json)).map { Array($0) } ?? []
        return try perform(
            method, path, headers: [("Content-Type", "application/json")], body: body, isCancelled, read: read)
    }

    private func perform<Value>(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
        _ isCancelled: @escaping Cancellation, read: (HTTPResponse) throws(StorageFailure) -> Value
    ) throws(TransferError) -> Outcome<Value> {
        let request = HTTPRequest(
            method, "\(settings.base)/\(path)", headers: settings.credentials + headers, body: body)
        return try exchange.perform(isCancelled: isCancelled, { request }, read: read)
    }

    /// Throws what an answer refuses.
    static func expectSuccess(_ response: HTTPResponse) throws(StorageFailure) {
        guard (200..<300).contains(response.head.status) else { throw StorageFailure(supabase: response) }
    }

    private static func isMissing(_ response: HTTPResponse) -> Bool {
        response.head.status >= 400 && StorageFailure.supabaseStatus(of: response).status == 404
    }
}

private struct SupabaseBucket: Encodable {
    let id: String
    let name: String
    let isPublic: Bool
    let fileSizeLimit: Int64?
    let allowedTypes: [String]

    enum CodingKeys: String, CodingKey {
        case id, name
        case isPublic = "public"
        case fileSizeLimit = "file_size_limit"
        case allowedTypes = "allowed_mime_types"
    }
}
