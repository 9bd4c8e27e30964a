internal import Foundation

/// A bucket of any store that speaks S3: Amazon, MinIO, SeaweedFS, R2, Supabase's S3 endpoint.
public final class S3Store: ObjectStore {
    /// `bucket B at HOST`.
    public let description: String
    private let settings: S3Settings
    let objects: S3Client
    /// Makes the bucket where the store has a better way to do it than S3's.
    private let supabase: SupabaseClient?

    /// Throws `storage_rejected` where the endpoint or the bucket's name can't be used.
    ///
    /// - Parameters:
    ///   - supabase: the project whose S3 endpoint it is: a missing bucket is made by its REST routes, which can make
    ///     it public and limit its types.
    ///   - client: used for all requests, and not shut down. It has to allow private hosts where the store is one.
    ///   - policy: how often a request that fails for a moment is made again.
    public init(
        _ settings: S3Settings, supabase: SupabaseSettings? = nil, client: HTTPClient, policy: RetryPolicy = .init()
    ) throws {
        guard let address = S3Address(endpoint: settings.endpoint, bucket: settings.bucket) else {
            throw TransferError(
                .storageRejected, "S3_ENDPOINT is no address of a store; give one such as https://s3.example.com")
        }
        try S3Store.check(bucket: settings.bucket)
        self.settings = settings
        self.supabase = try supabase.map { try SupabaseClient($0, client: client, policy: policy) }
        description = "bucket \(settings.bucket) at \(address.host)"
        let signer = SignatureV4(
            accessKey: settings.accessKey, secretKey: settings.secretKey, sessionToken: settings.sessionToken,
            region: settings.region)
        objects = S3Client(
            address: address, signer: signer,
            exchange: StoreExchange(client: client, policy: policy, store: description),
            signsPayload: settings.endpoint.lowercased().hasPrefix("http://"))
    }

    /// Makes the bucket where it is missing, readable by anyone where the store lets us.
    public func prepare(isCancelled: @escaping @Sendable () -> Bool) throws { try makeBucket(isCancelled) }

    private func makeBucket(_ isCancelled: @escaping @Sendable () -> Bool) throws(TransferError) {
        if let supabase { return try supabase.prepareBucket(isCancelled) }
        switch try objects.hasBucket(isCancelled).get(description) {
        case true?: return
        case false?: try createBucket(isCancelled)
        // Keys that may not ask for the bucket may still be allowed to list it; if not, this says why.
        case nil: _ = try objects.list(prefix: "reelway-probe/", isCancelled).get(description)
        }
    }

    /// Begins an object.
    public func upload(
        key: String, isShared: Bool, onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) throws -> any ObjectUpload {
        if let fault = S3Address.fault(inKey: key) {
            throw TransferError(.storageRejected, "the object's key can't be used: \(fault)")
        }
        var client = objects
        client.exchange.rest = StoreRest()
        return S3Upload(
            key: key, isShared: isShared, client: client, settings: settings,
            prepare: { (isCancelled) throws(TransferError) in try self.makeBucket(isCancelled) }, onEvent: onEvent)
    }

    /// The object under a key.
    public func head(key: String, isCancelled: @escaping @Sendable () -> Bool) throws -> StoredObject? {
        try objects.head(key, isCancelled).get(description)
    }

    /// Deletes an object.
    public func delete(key: String, isCancelled: @escaping @Sendable () -> Bool) throws {
        try objects.delete(key, isCancelled).get(description)
    }

    /// Ends uploads that nobody is going to finish.
    @discardableResult
    public func reapUploads(prefix: String, isCancelled: @escaping @Sendable () -> Bool) throws -> Int {
        let open = try objects.openUploads(prefix: prefix, isCancelled).get(description)
        for upload in open { try objects.abortUpload(upload.key, upload.id, isCancelled).get(description) }
        return open.count
    }

    /// Ends one upload.
    public func abortUpload(key: String, id: String, isCancelled: @escaping @Sendable () -> Bool) throws {
        try objects.abortUpload(key, id, isCancelled).get(description)
    }

    /// The public address of an object.
    public func publicURL(key: String) -> String {
        guard let base = settings.publicURL else { return objects.address.object(key) }
        return "\(base.hasSuffix("/") ? String(base.dropLast()) : base)/\(PercentEncoding.path(key))"
    }

    /// Tries the store out.
    public func probe(isCancelled: @escaping @Sendable () -> Bool) throws -> StoreProbe {
        try StoreProbe.run(
            description, objects.exchange.client, isCancelled,
            put: { _ = try objects.put($0, $1, $2).get(description) },
            get: { try objects.get($0, $1).get(description) },
            delete: { try objects.delete($0, $1).get(description) }, publicURL: publicURL)
    }

    private func createBucket(_ isCancelled: @escaping @Sendable () -> Bool) throws(TransferError) {
        // Only Amazon wants the region, and not for its oldest.
        let host = objects.address.host
        let location = host.hasSuffix(".amazonaws.com") && settings.region != "us-east-1" ? settings.region : nil
        let created = try objects.createBucket(isPublic: true, location: location, isCancelled)
        if case .failure(let failure) = created.result, !failure.isTransient {
            // Many stores refuse access lists and take everything else.
            try objects.createBucket(isPublic: false, location: location, isCancelled).get(description)
        } else {
            try created.get(description)
        }
        // Where this is refused the objects are served by other means: STORAGE_PUBLIC_URL.
        _ = try objects.publish(bucket: settings.bucket, isCancelled)
    }

    /// Why a bucket can't have this name; `nil` where it can. It stands unencoded in addresses and policies.
    public static func fault(inBucket bucket: String) -> String? {
        let isPlain = bucket.utf8.allSatisfy { byte in
            (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z"))
                || (byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z"))
                || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")) || ".-_".utf8.contains(byte)
        }
        let isGood = isPlain && (1...100).contains(bucket.utf8.count) && bucket != "." && bucket != ".."
        return isGood ? nil : "give up to 100 letters, digits, dots, hyphens and underscores"
    }

    static func check(bucket: String) throws {
        if let fault = fault(inBucket: bucket) {
            throw TransferError(.storageRejected, "no bucket can have that name: \(fault)")
        }
    }
}
