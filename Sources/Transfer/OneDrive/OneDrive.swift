internal import Glibc

/// Reads files out of OneDrive.
///
/// ```
/// TokenProvider ─ access token ─▶ Graph: the item (id, size, cTag, hash) and its download address
///  one refresh at a time                 │                        ▲ again when it has expired: same cTag and size?
///                                        └─▶ RangedSource: byte ranges, without the token
/// ```
public final class OneDrive: Sendable {
    /// What OneDrive has to be told.
    public struct Settings: Sendable {
        /// How Graph knows who asks.
        public enum Credential: Sendable {
            /// Signed in once by a person; exchanged for another one with each use.
            case refreshToken(String)
            /// The application itself, with its secret; organisations only.
            case clientCredentials
            /// Good for about an hour.
            case accessToken(String)

            var isAccessToken: Bool { if case .accessToken = self { true } else { false } }
        }

        /// How Graph knows who asks.
        public var credential: Credential
        /// Directory id, `common`, `consumers` or `organizations`.
        public var tenant = "common"
        /// The application's id.
        public var clientID = ""
        /// The application's secret, where it has one.
        public var clientSecret: String?
        /// Without a slash at the end.
        public var graphURL = "https://graph.microsoft.com/v1.0"
        /// Without a slash at the end.
        public var loginURL = "https://login.microsoftonline.com"
        /// Host suffixes that downloads may come from; empty: Microsoft's.
        public var downloadHosts: [String] = []
        /// Whether download addresses may be plain http: for a stand-in on this machine.
        public var allowsHTTP = false

        /// Microsoft's own services.
        public init(_ credential: Credential) { self.credential = credential }

        /// Application permissions are asked for as a whole, of the service they are for.
        var applicationScope: String {
            "\(HTTPAddress(graphURL)?.origin ?? "https://graph.microsoft.com")/.default"
        }
    }

    private let settings: Settings
    private let client: HTTPClient
    private let tokens: TokenProvider
    private let hosts: DownloadHosts
    private let exchange: GraphExchange

    /// Makes no request yet. `store` keeps the refresh token, which changes with every use.
    public init(
        _ settings: Settings, client: HTTPClient, store: any RefreshTokenStore = MemoryTokenStore(),
        retry: RetryPolicy = .init()
    ) {
        var settings = settings
        while settings.graphURL.hasSuffix("/") { settings.graphURL.removeLast() }
        while settings.loginURL.hasSuffix("/") { settings.loginURL.removeLast() }
        self.settings = settings
        self.client = client
        tokens = TokenProvider(settings, client, store, retry)
        hosts = DownloadHosts(settings.downloadHosts, allowsHTTP: settings.allowsHTTP)
        exchange = GraphExchange(client: client, retry: retry)
    }

    /// Makes sure that the sign-in works: fetches an access token.
    public func signIn() async throws(TransferError) { _ = try await tokens.token() }

    /// Asks Graph about an item. `drive` is needed where the application itself asks.
    public func item(_ id: String, drive: String? = nil) async throws(TransferError) -> OneDriveItem {
        let path = try path(id, drive)
        return try await get(path, item: id) { response throws(TransferError) in
            try OneDriveItem(json: response.body, drive: drive)
        }
    }

    /// Opens an item's bytes. What they are checked against is the item as given: if it has changed since, `source_changed`.
    ///
    /// Suspends; a cancelled task throws `cancelled`.
    public func open(
        _ item: OneDriveItem, options: RangedSource.Options = .init()
    ) async throws(TransferError) -> RangedSource {
        var location = RangedSource.Location(url: try await address(of: item))
        location.name = item.name
        location.length = item.size
        location.quickXorHash = item.quickXorHash
        location.allows = { [hosts] in hosts.allows($0) }
        location.renew = { () async throws(TransferError) in
            let now = try await self.item(item.id, drive: item.drive)
            guard now.size == item.size, now.cTag == item.cTag else {
                throw TransferError(
                    .sourceChanged, "\(item.name) was changed on OneDrive while it was read; start again")
            }
            return try await self.address(of: now)
        }
        return try await RangedSource.open(location, client: client, options: options)
    }

    // MARK: Graph

    private func path(_ id: String, _ drive: String?) throws(TransferError) -> String {
        guard !["", ".", ".."].contains(id), drive.map({ !["", ".", ".."].contains($0) }) ?? true else {
            throw TransferError(
                .inputNotFound, "that is no OneDrive item; give onedrive:ITEM_ID or onedrive:DRIVE_ID/ITEM_ID")
        }
        let item = "items/\(PercentEncoding.segment(id))"
        if let drive { return "\(settings.graphURL)/drives/\(PercentEncoding.segment(drive))/\(item)" }
        if case .clientCredentials = settings.credential {
            throw TransferError(
                .sourceAuth,
                "an application has no drive of its own: name the drive too (onedrive:DRIVE_ID/ITEM_ID), or set "
                    + "ONEDRIVE_REFRESH_TOKEN")
        }
        return "\(settings.graphURL)/me/drive/\(item)"
    }

    private func address(of item: OneDriveItem) async throws(TransferError) -> String {
        let url: String
        if let given = item.downloadURL {
            url = given
        } else {
            url = try await get("\(try path(item.id, item.drive))/content", item: item.id) {
                response throws(TransferError) in
                guard let location = response.head["Location"] else {
                    throw TransferError(
                        .sourceUnavailable, "OneDrive doesn't say where the bytes of \(item.name) are; try again later")
                }
                return location
            }
        }
        guard hosts.allows(url) else {
            throw TransferError(
                .sourceForbidden,
                "OneDrive names a download host that isn't allowed (\(HTTPAddress(url)?.host ?? "no host")); add it to "
                    + "ONEDRIVE_DOWNLOAD_HOSTS if it is Microsoft's")
        }
        return url
    }

    /// The only place where the access token is sent, and only to Graph: no redirect is followed.
    private func get<Value: Sendable>(
        _ url: String, item: String, read: @Sendable (HTTPResponse) throws(TransferError) -> Value
    ) async throws(TransferError) -> Value {
        var refused: String?
        while true {
            let token = try await tokens.token(refused: refused)
            // One that was given as it is has no successor, and one that has just come needs none.
            let isReplaceable = refused == nil && !settings.credential.isAccessToken
            let headers = [
                (name: "Authorization", value: "Bearer \(token)"), (name: "Accept", value: "application/json"),
            ]
            let value: Value? = try await exchange.perform(HTTPRequest("GET", url, headers: headers)) {
                response throws(TransferError) -> GraphExchange.Verdict<Value?> in
                switch response.head.status {
                case 200, 302:
                    do throws(TransferError) {
                        return .done(try read(response))
                    } catch  where error.code == .sourceUnavailable {
                        return .again(.damage, error)
                    }
                case 401 where isReplaceable: return .done(nil)
                case let status:
                    let error = GraphError.error(response, item: item, now: Int64(time(nil)))
                    // OneDrive refuses good tokens at random: "Unable to initialize RPS".
                    if status == 401 { return .again(.damage, error) }
                    guard RetryPolicy.isTransient(status) else { return .failed(error) }
                    return .again(.status(status, retryAfter: error.retryAfter), error)
                }
            }
            if let value { return value }
            refused = token
        }
    }
}
