import Media
import Transfer

/// The services that settings name: made once, shared by all videos.
///
/// ```
/// Settings ─▶ RemoteEnds ─┬─ oneDrive ─▶ RangedSource ─▶ RemoteSource (ByteSource)
///                         └─ store ────▶ ObjectUpload ─▶ StoreSink    (ByteSink)
/// ```
struct RemoteEnds: Sendable {
    /// For sources: strangers name them, so their addresses are checked.
    let sources: HTTPClient
    /// For the store and its bucket: the operator names it, and it may be in the same house.
    let stores: HTTPClient
    private let settings: Settings
    private let retry: RetryPolicy

    /// - Parameters:
    ///   - videos: how many are worked on at once. Each has its connections: one that waited for another's would look as
    ///     if it hung.
    ///   - patienceSeconds: after so much silence the caller thinks that something hangs; failures are told before.
    init(_ settings: Settings, videos: Int = 1, patienceSeconds: Double? = nil) {
        self.settings = settings
        retry = patienceSeconds.map { RetryPolicy(patienceSeconds: $0) } ?? RetryPolicy()
        var options = HTTPClient.Options()
        // SharePoint asks for this form (learn.microsoft.com, "How to avoid getting throttled").
        options.userAgent = "NONISV|Reelway|Reelway/\(Reelway.version)"
        // What stalls is taken up again before the caller loses patience.
        options.stallSeconds = patienceSeconds.map { $0 / 3 } ?? settings.worker.stallSeconds
        options.connectTimeout = min(options.connectTimeout, options.stallSeconds)
        options.allowsPrivateHosts = settings.transfer.allowsPrivateHosts
        // Beside the parts of each there is what begins and ends it, and what is removed.
        options.connectionsPerHost = max(6, videos * (settings.transfer.downloadConnections + 1) + 2)
        sources = HTTPClient(options)
        options.userAgent = "reelway/\(Reelway.version)"
        options.allowsPrivateHosts = true
        options.connectionsPerHost = max(6, videos * (settings.transfer.uploadConnections + 1) + 2)
        // A store that puts an object together is silent for longer than one that sends it.
        options.stallSeconds = patienceSeconds.map { $0 / 2 } ?? settings.worker.stallSeconds
        stores = HTTPClient(options)
    }

    /// How sources are read ahead.
    var readAhead: RangedSource.Options {
        var options = RangedSource.Options()
        options.windowBytes = Int64(settings.transfer.downloadWindowBytes)
        options.connections = settings.transfer.downloadConnections
        options.retry = retry
        return options
    }

    /// Throws `source_auth` where OneDrive isn't set up.
    func oneDrive(tokens: any RefreshTokenStore = MemoryTokenStore()) throws -> OneDrive {
        let given = settings.oneDrive
        guard let credential = given.credential else {
            throw Failure(
                .sourceAuth,
                "OneDrive is not set up; set ONEDRIVE_CLIENT_ID with ONEDRIVE_REFRESH_TOKEN, or ONEDRIVE_ACCESS_TOKEN")
        }
        var oneDrive: OneDrive.Settings
        switch credential {
        case .accessToken(let token): oneDrive = OneDrive.Settings(.accessToken(token.revealed))
        case .refreshToken(let token): oneDrive = OneDrive.Settings(.refreshToken(token.revealed))
        case .clientCredentials: oneDrive = OneDrive.Settings(.clientCredentials)
        }
        oneDrive.tenant = given.tenant
        oneDrive.clientID = given.clientID ?? ""
        oneDrive.clientSecret = given.clientSecret?.revealed
        oneDrive.graphURL = given.graphURL
        oneDrive.loginURL = given.loginURL
        oneDrive.downloadHosts = given.downloadHosts
        oneDrive.allowsHTTP = settings.transfer.allowsPrivateHosts
        return OneDrive(oneDrive, client: sources, store: tokens, retry: retry)
    }

    /// The store that finished videos go to.
    func store() throws -> any ObjectStore {
        let storage = settings.storage
        switch storage.choice {
        case .s3(let access): return try s3(access, bucket: storage.bucket, publicURL: storage.publicURL)
        case .tus(let access): return try tus(access, bucket: storage.bucket, publicURL: storage.publicURL)
        case .directory(let path):
            return DirectoryStore(
                folder: path,
                publicURL: storage.publicURL ?? "http://\(settings.server.authority)/media")
        }
    }

    /// The store of an OUTPUT such as `s3://BUCKET/KEY`, whatever the service itself uses. `profile` is that of what goes
    /// there.
    func store(scheme: String, bucket: String, profile: Profile) throws -> any ObjectStore {
        let storage = settings.storage
        let publicURL = bucket == storage.bucket ? storage.publicURL : nil
        if let access = storage.s3, scheme == "s3" || access.isSupabase {
            return try s3(access, bucket: bucket, publicURL: publicURL, profile)
        }
        if scheme == "supabase", let access = storage.supabase {
            return try tus(access, bucket: bucket, publicURL: publicURL, profile)
        }
        throw Failure(
            .usage,
            scheme == "s3"
                ? "s3: outputs need S3_ENDPOINT, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY in the environment"
                : "supabase: outputs need SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY in the environment")
    }

    private func s3(
        _ access: StorageSettings.S3Access, bucket: String, publicURL: String?, _ profile: Profile = .reels
    ) throws -> any ObjectStore {
        var s3 = S3Settings(
            endpoint: access.endpoint, region: access.region, accessKey: access.accessKey,
            secretKey: access.secretKey.revealed, sessionToken: access.sessionToken?.revealed, bucket: bucket)
        s3.partBytes = settings.transfer.uploadPartBytes
        s3.connections = settings.transfer.uploadConnections
        s3.publicURL = publicURL
        if access.isSupabase { s3.scheme = "supabase" }
        let supabase = access.isSupabase ? settings.storage.supabase : nil
        return try S3Store(
            s3, supabase: supabase.map { project($0, bucket: bucket, profile) }, client: stores, policy: retry)
    }

    private func tus(
        _ access: StorageSettings.SupabaseAccess, bucket: String, publicURL: String?, _ profile: Profile = .reels
    ) throws -> any ObjectStore {
        var supabase = project(access, bucket: bucket, profile)
        supabase.publicURL = publicURL
        return try SupabaseStore(supabase, client: stores, policy: retry)
    }

    private func project(
        _ access: StorageSettings.SupabaseAccess, bucket: String, _ profile: Profile
    ) -> SupabaseSettings {
        var supabase = SupabaseSettings(url: access.url, serviceKey: access.serviceKey.revealed, bucket: bucket)
        // A bucket that is made for a story takes reels too. No file is larger than a reel may be: that is seen to before it
        // is sent. But Supabase adds up all parts that come, and one that is sent again it counts again.
        supabase.fileSizeLimit = profile.maximumBytes == nil ? nil : Profile.reels.maximumBytes.map { 2 * $0 }
        return supabase
    }
}
