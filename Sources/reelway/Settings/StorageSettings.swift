import Transfer

/// Where finished videos go.
struct StorageSettings: Sendable {
    /// Which way to a store.
    enum Way: String, CaseIterable, Sendable {
        case auto, s3, tus, dir
    }

    /// The way that is taken.
    enum Choice: Sendable {
        case s3(S3Access)
        case tus(SupabaseAccess)
        case directory(path: String)
    }

    /// How to sign for an S3 store.
    struct S3Access: Sendable {
        var endpoint: String
        var region: String
        var accessKey: String
        var secretKey: Secret
        /// With Supabase's session-token credentials: the service key.
        var sessionToken: Secret?

        /// Whether the store is Supabase's, by the path of its S3 protocol.
        var isSupabase: Bool { endpoint.hasSuffix("/storage/v1/s3") }
    }

    /// How to reach Supabase's own protocols.
    struct SupabaseAccess: Sendable {
        var url: String
        var serviceKey: Secret
    }

    var choice: Choice
    var bucket: String
    /// What stands in front of a key in the address Instagram fetches; `nil`: the service's own `/media/`.
    var publicURL: String?
    /// Set wherever Supabase is configured, whatever way objects take: the bucket is made through its REST interface.
    var supabase: SupabaseAccess?
    /// Set where the S3 protocol is configured, even if another way is chosen: for `s3://` outputs.
    var s3: S3Access?

    init(_ reader: inout SettingsReader) {
        let supabaseURL = reader.address("SUPABASE_URL")
        let serviceKey = reader.secret("SUPABASE_SERVICE_ROLE_KEY")
        let anonKey = reader.secret("SUPABASE_ANON_KEY")
        let ownEndpoint = supabaseURL.map { "\($0)/storage/v1/s3" }
        let endpoint = reader.address("S3_ENDPOINT", default: ownEndpoint)
        let region = reader.text("S3_REGION", default: "us-east-1")
        let accessKey = reader.text("S3_ACCESS_KEY_ID")
        let secretKey = reader.secret("S3_SECRET_ACCESS_KEY")
        bucket = reader.text("STORAGE_BUCKET", default: "transcoded-videos")
        let directory = reader.text("STORAGE_DIR")
        let way = reader.choice("STORAGE_PROTOCOL", default: Way.auto)

        if (accessKey == nil) != (secretKey == nil) {
            reader.fault(
                accessKey == nil ? "S3_ACCESS_KEY_ID" : "S3_SECRET_ACCESS_KEY", "give both the key's id and its secret")
        }
        var session: S3Settings?
        if let supabaseURL, let serviceKey {
            supabase = SupabaseAccess(url: supabaseURL, serviceKey: serviceKey)
            session = SupabaseSettings(
                url: supabaseURL, serviceKey: serviceKey.revealed, anonymousKey: anonKey?.revealed, bucket: bucket
            ).s3(endpoint: endpoint, region: region)
        }
        if let endpoint, let accessKey, let secretKey {
            s3 = S3Access(endpoint: endpoint, region: region, accessKey: accessKey, secretKey: secretKey)
        } else if let session {
            s3 = S3Access(
                endpoint: session.endpoint, region: session.region, accessKey: session.accessKey,
                secretKey: Secret(session.secretKey), sessionToken: session.sessionToken.map(Secret.init))
        }
        choice = .directory(path: directory ?? "media")
        switch way {
        case .s3:
            if let s3 {
                choice = .s3(s3)
            } else {
                reader.fault(
                    "STORAGE_PROTOCOL",
                    "s3 needs S3_ENDPOINT, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or SUPABASE_URL with "
                        + "SUPABASE_ANON_KEY and a SUPABASE_SERVICE_ROLE_KEY that is a JWT")
            }
        case .tus:
            if let supabase {
                choice = .tus(supabase)
            } else {
                reader.fault("STORAGE_PROTOCOL", "tus needs SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY")
            }
        case .dir: break
        case .auto:
            if directory != nil { break }
            if let s3 { choice = .s3(s3) } else if let supabase { choice = .tus(supabase) }
            // Whoever names a store, or half of one, doesn't mean another one, nor a folder.
            if s3 != nil { break }
            if endpoint != ownEndpoint, accessKey == nil, secretKey == nil {
                reader.fault("S3_ACCESS_KEY_ID", "is needed beside S3_ENDPOINT, with S3_SECRET_ACCESS_KEY")
            } else if endpoint == nil, accessKey != nil, secretKey != nil {
                reader.faultIfUnset("S3_ENDPOINT", "is needed beside S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY")
            } else if supabase == nil, supabaseURL != nil {
                reader.faultIfUnset("SUPABASE_SERVICE_ROLE_KEY", "is needed beside SUPABASE_URL; or set STORAGE_DIR")
            } else if supabase == nil, serviceKey != nil || anonKey != nil {
                reader.faultIfUnset("SUPABASE_URL", "is needed beside Supabase's keys; or set STORAGE_DIR")
            }
        }
        if directory == nil, case .directory(let path) = choice { reader.listDefault(path, of: "STORAGE_DIR") }
        let ofSupabase = supabaseURL.map { "\($0)/storage/v1/object/public/\(bucket)" }
        let defaultURL: String? =
            switch choice {
            case .directory: nil
            case .tus: ofSupabase
            case .s3(let access): (access.isSupabase ? ofSupabase : nil) ?? "\(access.endpoint)/\(bucket)"
            }
        publicURL = reader.address("STORAGE_PUBLIC_URL", default: defaultURL)
        if let fault = S3Store.fault(inBucket: bucket) { reader.fault("STORAGE_BUCKET", fault) }
    }
}
