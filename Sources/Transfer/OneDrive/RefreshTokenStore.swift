/// What a refresh of the sign-in brings.
public struct RefreshedTokens: Sendable {
    /// For Graph; a secret.
    public var accessToken: String
    /// Seconds until it ends.
    public var lifetime: Double
    /// Replaces the one that was used; a secret. `nil`: the old one stays good.
    public var refreshToken: String?

    /// Makes one.
    public init(accessToken: String, lifetime: Double, refreshToken: String?) {
        self.accessToken = accessToken
        self.lifetime = lifetime
        self.refreshToken = refreshToken
    }
}

/// Where the refresh token is kept, which changes with every use.
public protocol RefreshTokenStore: Sendable {
    /// Gives the token kept so far (`nil`: none yet) to `refresh`, keeps the one that comes back before it returns, and
    /// lets nobody else refresh meanwhile.
    func rotate(
        _ refresh: @Sendable (_ kept: String?) async throws(TransferError) -> RefreshedTokens
    ) async throws(TransferError) -> RefreshedTokens
}

/// Keeps the refresh token for as long as the program runs.
public actor MemoryTokenStore: RefreshTokenStore {
    private var token: String?

    /// Makes an empty store.
    public init() {}

    /// See `RefreshTokenStore`; a `TokenProvider` refreshes once at a time.
    public func rotate(
        _ refresh: @Sendable (_ kept: String?) async throws(TransferError) -> RefreshedTokens
    ) async throws(TransferError) -> RefreshedTokens {
        let tokens = try await refresh(token)
        if let next = tokens.refreshToken { token = next }
        return tokens
    }
}
