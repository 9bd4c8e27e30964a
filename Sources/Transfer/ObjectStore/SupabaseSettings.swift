/// A Supabase project's storage.
public struct SupabaseSettings: Sendable {
    /// `https://REF.supabase.co`, or a self-hosted project's address.
    public var url: String
    /// The service role's key: a JWT, or one that begins with `sb_secret_`.
    public var serviceKey: String
    /// The anonymous key; with a service key that is a JWT it gives S3 credentials.
    public var anonymousKey: String?
    /// The bucket.
    public var bucket: String
    /// The largest file the bucket takes when Reelway makes it, in bytes; `nil` leaves it to the project's limit.
    public var fileSizeLimit: Int64?
    /// The address in front of the keys of public objects; without one it is Supabase's own.
    public var publicURL: String?

    /// Makes settings.
    public init(url: String, serviceKey: String, anonymousKey: String? = nil, bucket: String) {
        self.url = url
        self.serviceKey = serviceKey
        self.anonymousKey = anonymousKey
        self.bucket = bucket
    }

    /// The S3 protocol's settings with session-token credentials: the project as access key, the anonymous key as
    /// secret, the service role's JWT as token. `nil` where the keys don't give any: then only TUS is left. `nil` for
    /// another's endpoint too: the token may do anything in the project.
    ///
    /// - Parameters:
    ///   - endpoint: one of the project's; by default the one at its address.
    ///   - region: the project's; by default Supabase takes any.
    public func s3(endpoint: String? = nil, region: String? = nil) -> S3Settings? {
        let endpoint = endpoint ?? "\(base)/s3"
        guard let anonymousKey, !anonymousKey.isEmpty, SupabaseSettings.isJWT(serviceKey),
            let address = HTTPAddress(url), ["\(base)/s3", "\(uploadBase)/s3"].contains(endpoint)
        else { return nil }
        let labels = address.host.split(separator: ".")
        let isHosted = labels.count == 3 && address.host.hasSuffix(".supabase.co")
        // `stub` is what a self-hosted project is called unless its operator says otherwise.
        let project = isHosted ? String(labels[0]) : "stub"
        var settings = S3Settings(
            endpoint: endpoint, region: region ?? "us-east-1", accessKey: project,
            secretKey: anonymousKey, sessionToken: serviceKey, bucket: bucket)
        settings.publicURL = publicBase
        settings.scheme = "supabase"
        return settings
    }

    /// `…/storage/v1`.
    var base: String { "\(url.hasSuffix("/") ? String(url.dropLast()) : url)/storage/v1" }

    /// Where large uploads go: a hosted project has a host of its own for them.
    var uploadBase: String {
        guard let address = HTTPAddress(url), address.host.hasSuffix(".supabase.co"),
            address.host.split(separator: ".").count == 3, address.port == nil
        else { return base }
        return "\(address.scheme)://\(address.host.replacing(".supabase.co", with: ".storage.supabase.co"))/storage/v1"
    }

    /// The address in front of public objects' keys.
    var publicBase: String { publicURL ?? "\(base)/object/public/\(bucket)" }

    /// Proves who asks. A key that is no JWT is refused in `Authorization`.
    var credentials: [(name: String, value: String)] {
        SupabaseSettings.isJWT(serviceKey)
            ? [("apikey", serviceKey), ("Authorization", "Bearer \(serviceKey)")] : [("apikey", serviceKey)]
    }

    private static func isJWT(_ key: String) -> Bool {
        key.split(separator: ".", omittingEmptySubsequences: false).count == 3 && key.hasPrefix("ey")
    }
}
