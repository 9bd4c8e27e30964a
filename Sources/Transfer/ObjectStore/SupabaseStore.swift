internal import Foundation

/// A bucket of Supabase's storage, by its REST and TUS routes: for projects whose keys give no S3 credentials.
public final class SupabaseStore: ObjectStore {
    /// `bucket B at HOST`.
    public let description: String
    let settings: SupabaseSettings
    private let client: SupabaseClient
    private let temporaryFolder: String

    /// Throws `storage_rejected` where the project's address or the bucket's name can't be used.
    ///
    /// - Parameters:
    ///   - client: used for all requests, and not shut down. It has to allow private hosts where the project is one.
    ///   - policy: how often a request that fails for a moment is made again.
    ///   - temporaryFolder: where bodies wait, in files without a name; by default `TMPDIR`, else `/tmp`.
    public init(
        _ settings: SupabaseSettings, client: HTTPClient, policy: RetryPolicy = .init(), temporaryFolder: String? = nil
    ) throws {
        try S3Store.check(bucket: settings.bucket)
        self.client = try SupabaseClient(settings, client: client, policy: policy)
        self.settings = settings
        self.temporaryFolder = temporaryFolder ?? FileManager.default.temporaryDirectory.path
        description = self.client.exchange.store
    }

    /// Makes the bucket where it is missing.
    public func prepare(isCancelled: @escaping @Sendable () -> Bool) throws { try client.prepareBucket(isCancelled) }

    /// Begins an object.
    public func upload(
        key: String, isShared: Bool, onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) throws -> any ObjectUpload {
        if let fault = S3Address.fault(inKey: key) {
            throw TransferError(.storageRejected, "the object's key can't be used: \(fault)")
        }
        let client = client
        let target = TUSUpload.Target(
            client: TUSClient(
                endpoint: "\(settings.uploadBase)/upload/resumable",
                headers: settings.credentials + [("x-upsert", "true")], client: client.exchange.client),
            store: description,
            // Supabase writes `max-age=` in front of what it is given as cache control, and takes no more than seconds: by
            // TUS an object can't be called public and immutable.
            metadata: [
                ("bucketName", settings.bucket), ("objectName", key), ("contentType", "video/mp4"),
                ("cacheControl", "31536000"),
            ],
            prepare: { try client.prepareBucket($0) },
            storedBytes: { try client.head(key, $0).get(client.exchange.store)?.bytes },
            delete: { try client.delete(key, $0).get(client.exchange.store) })
        return try TUSUpload(
            location: "supabase://\(settings.bucket)/\(key)", isShared: isShared, target: target,
            policy: client.exchange.policy,
            folder: temporaryFolder)
    }

    /// The object under a key.
    public func head(key: String, isCancelled: @escaping @Sendable () -> Bool) throws -> StoredObject? {
        try client.head(key, isCancelled).get(description)
    }

    /// Deletes an object.
    public func delete(key: String, isCancelled: @escaping @Sendable () -> Bool) throws {
        try client.delete(key, isCancelled).get(description)
    }

    /// Nothing: TUS can't list uploads, and Supabase ends them itself, after an hour or a day.
    @discardableResult
    public func reapUploads(prefix: String, isCancelled: @escaping @Sendable () -> Bool) throws -> Int { 0 }

    /// Nothing: see `reapUploads`.
    public func abortUpload(key: String, id: String, isCancelled: @escaping @Sendable () -> Bool) throws {}

    /// The public address of an object.
    public func publicURL(key: String) -> String { "\(settings.publicBase)/\(PercentEncoding.path(key))" }

    /// Tries the store out.
    public func probe(isCancelled: @escaping @Sendable () -> Bool) throws -> StoreProbe {
        try StoreProbe.run(
            description, client.exchange.client, isCancelled,
            put: { try client.put($0, $1, $2).get(description) }, get: { try client.get($0, $1).get(description) },
            delete: { try client.delete($0, $1).get(description) }, publicURL: publicURL)
    }
}

extension SupabaseClient {
    /// Throws `storage_rejected` where the project's address can't be used.
    init(_ settings: SupabaseSettings, client: HTTPClient, policy: RetryPolicy) throws {
        guard let address = HTTPAddress(settings.url), !address.hasCredentials, !settings.url.contains("?") else {
            throw TransferError(
                .storageRejected, "SUPABASE_URL is no address of a project; give one such as https://REF.supabase.co")
        }
        self.init(
            settings: settings,
            exchange: StoreExchange(
                client: client, policy: policy, store: "bucket \(settings.bucket) at \(address.host)"))
    }
}
