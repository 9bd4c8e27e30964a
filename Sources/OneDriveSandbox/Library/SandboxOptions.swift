public import LoopbackHTTP

/// How a sandbox behaves where the real service leaves room.
public struct SandboxOptions: Sendable {
    /// The port of Graph and the token endpoint; 0 takes a free one.
    public var port = 0
    /// The port of the download host; 0 takes a free one.
    public var downloadPort = 0
    /// How fast the download host sends.
    public var bandwidth = Throttle.Limits()
    /// Before each answer.
    public var latency = Duration.zero
    /// How long a download URL is good for: the real ones last minutes to an hour.
    public var urlLifetime = Duration.seconds(3600)
    /// How long an access token is good for: the real ones last about an hour.
    public var tokenLifetime = Duration.seconds(3599)
    /// Whether a used refresh token stops working. Entra's don't.
    public var revokesUsedRefreshTokens = false
    /// Whether the download host honours Range.
    public var supportsRanges = true
    /// Whether items carry hashes.
    public var publishesHashes = true
    /// The tenant's id; `consumers`, `organizations` and `common` work beside it, save for client credentials.
    public var tenant = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    /// The application's id.
    public var clientID = "0f8fad5b-d9cb-469f-a165-70867728950e"
    /// The application's secret. A refresh works without it too, as for a public client.
    public var clientSecret = "sandbox~secret+with/signs=&to%escape"
    /// The first refresh token.
    public var refreshToken = "M.C5_SANDBOX.0.U.-first*refresh!token$with.signs"
    /// The owner of the drive, for `/users/{user}/drive`.
    public var user = "owner@sandbox.example"

    /// The real service's ways, as fast as the machine goes.
    public init() {}
}
