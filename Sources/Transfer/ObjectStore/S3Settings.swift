/// Where an S3 store is and how it wants to be spoken to.
public struct S3Settings: Sendable {
    /// `https://host`, with a port and a path where the store has them.
    public var endpoint: String
    /// Part of the signature; `auto` or `us-east-1` where the store doesn't care.
    public var region: String
    /// The public half of the credentials.
    public var accessKey: String
    /// The secret half.
    public var secretKey: String
    /// Goes with credentials that are lent for a while, and with Supabase's.
    public var sessionToken: String?
    /// The bucket.
    public var bucket: String
    /// Bytes of a part of a multipart upload, 8 MiB: large enough for a long line, small enough to hold four.
    public var partBytes = 8 << 20
    /// Parts that are on their way at the same time.
    public var connections = 2
    /// Whether all parts but the last have to be equally long, as Cloudflare R2 wants it.
    public var needsEqualParts = false
    /// The address in front of the keys of public objects; without one it is the store's own address.
    public var publicURL: String?
    /// What the store is called in `location`: `s3` or `supabase`.
    public var scheme = "s3"

    /// Makes settings. A Cloudflare R2 endpoint is recognised.
    public init(
        endpoint: String, region: String, accessKey: String, secretKey: String, sessionToken: String? = nil,
        bucket: String
    ) {
        self.endpoint = endpoint
        self.region = region
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.bucket = bucket
        needsEqualParts = HTTPAddress(endpoint)?.host.hasSuffix(".r2.cloudflarestorage.com") ?? false
    }
}
