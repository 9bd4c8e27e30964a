import Testing
import Transfer

@testable import reelway

struct SettingsTests {
    @Test func `an empty environment is a working local service`() throws {
        let settings = try Settings([:])
        #expect(settings.server.host == "127.0.0.1")
        #expect(settings.server.port == 8080)
        #expect(settings.worker.maximumAttempts == 5)
        #expect(settings.worker.leaseSeconds == 60)
        #expect(settings.transfer.downloadWindowBytes == 32 << 20)
        #expect(settings.transfer.uploadPartBytes == 8 << 20)
        #expect(!settings.transfer.allowsPrivateHosts)
        #expect(settings.storage.bucket == "transcoded-videos")
        guard case .directory(let path) = settings.storage.choice else {
            Issue.record("storage is \(settings.storage.choice)")
            return
        }
        #expect(path == "media")
        #expect(settings.storage.publicURL == nil)
    }

    @Test func `all faults are reported together, each with its variable`() {
        let environment = [
            "PORT": "eighty", "REELWAY_HOST": "0.0.0.0", "REELWAY_LEASE_SECONDS": "-1", "LOG_LEVEL": "loud",
            "S3_ACCESS_KEY_ID": "key", "STORAGE_PROTOCOL": "ftp", "SUPABASE_URL": "not an address",
            "REELWAY_ALLOW_PRIVATE_HOSTS": "maybe",
        ]
        let error = #expect(throws: SettingsError.self) { try Settings(environment) }
        let named = Set(error?.faults.map(\.variable) ?? [])
        #expect(
            named == [
                "PORT", "REELWAY_API_TOKEN", "REELWAY_LEASE_SECONDS", "LOG_LEVEL", "S3_SECRET_ACCESS_KEY",
                "STORAGE_PROTOCOL", "SUPABASE_URL", "REELWAY_ALLOW_PRIVATE_HOSTS",
            ])
    }

    @Test(arguments: ["0.0.0.0", "::", "[::]"])
    func `a folder's videos want an address that others can reach`(host: String) throws {
        var environment = ["REELWAY_HOST": host, "REELWAY_API_TOKEN": "0123456789abcdef"]
        #expect(try Settings(environment, keepsVideos: true).doubt?.contains("STORAGE_PUBLIC_URL") == true)
        environment["STORAGE_PUBLIC_URL"] = "https://shop.example/media"
        #expect(try Settings(environment, keepsVideos: true).doubt == nil)
        #expect(try Settings(["REELWAY_HOST": "127.0.0.1"], keepsVideos: true).doubt == nil)
    }

    @Test(arguments: [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("localhost", "localhost")])
    func `a folder's videos are where the service listens`(host: String, shown: String) throws {
        let settings = try Settings(["REELWAY_HOST": host], keepsVideos: true)
        #expect(try RemoteEnds(settings).store().publicURL(key: "1/a.mp4") == "http://\(shown):8080/media/1/a.mp4")
    }

    @Test(arguments: ["0123456789 abcdef", "0123456789\tabcdef"])
    func `a token that no header can carry is a fault`(text: String) {
        let error = #expect(throws: SettingsError.self) { try Settings(["REELWAY_API_TOKEN": text]) }
        #expect(error?.faults.map(\.variable) == ["REELWAY_API_TOKEN"])
        #expect(error.map { !"\($0)".contains(text) } ?? false)
    }

    @Test func `the address, the anon key and the service key of Supabase give S3 credentials with a session token`()
        throws
    {
        let settings = try Settings([
            "SUPABASE_URL": "https://abcd.supabase.co/", "SUPABASE_ANON_KEY": "anon",
            "SUPABASE_SERVICE_ROLE_KEY": "eyJhbGciOi.service.key",
        ])
        guard case .s3(let access) = settings.storage.choice else {
            Issue.record("storage is \(settings.storage.choice)")
            return
        }
        #expect(access.endpoint == "https://abcd.supabase.co/storage/v1/s3")
        #expect(access.accessKey == "abcd")
        #expect(access.secretKey.revealed == "anon")
        #expect(access.sessionToken?.revealed == "eyJhbGciOi.service.key")
        #expect(
            settings.storage.publicURL
                == "https://abcd.supabase.co/storage/v1/object/public/transcoded-videos")
    }

    @Test func `the service key alone goes through TUS`() throws {
        let settings = try Settings([
            "SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "service",
        ])
        guard case .tus(let access) = settings.storage.choice else {
            Issue.record("storage is \(settings.storage.choice)")
            return
        }
        #expect(access.url == "https://abcd.supabase.co")
    }

    @Test func `a service key that is no JWT can't be a session token, and goes through TUS beside an anon key too`()
        throws
    {
        var environment = [
            "SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_ANON_KEY": "anon",
            "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_0123456789",
        ]
        guard case .tus = try Settings(environment).storage.choice else {
            Issue.record("the store would refuse every request")
            return
        }
        environment["STORAGE_PROTOCOL"] = "s3"
        #expect(throws: SettingsError.self) { try Settings(environment) }
    }

    @Test func `another store than Supabase's has its own public address, whatever else Supabase is used for`() throws {
        let settings = try Settings([
            "SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "eyJhbGciOi.service.key",
            "S3_ENDPOINT": "https://store.example", "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret",
        ])
        #expect(settings.storage.publicURL == "https://store.example/transcoded-videos")
        guard case .s3(let access) = settings.storage.choice else {
            Issue.record("storage is \(settings.storage.choice)")
            return
        }
        #expect(!access.isSupabase)
    }

    @Test func `another store's keys that were forgotten are asked for: it is never sent Supabase's`() throws {
        var environment = [
            "SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_ANON_KEY": "anon",
            "SUPABASE_SERVICE_ROLE_KEY": "eyJhbGciOi.service.key", "S3_ENDPOINT": "https://store.example",
        ]
        let error = #expect(throws: SettingsError.self) { try Settings(environment) }
        #expect(error?.faults.map(\.variable) == ["S3_ACCESS_KEY_ID"])
        environment["STORAGE_PROTOCOL"] = "tus"
        #expect(try Settings(environment).storage.s3 == nil)
        environment["STORAGE_PROTOCOL"] = nil
        environment["S3_ENDPOINT"] = "https://abcd.storage.supabase.co/storage/v1/s3"
        #expect(try Settings(environment).storage.s3?.sessionToken != nil)
        #expect(throws: SettingsError.self) { try Settings(["S3_ENDPOINT": "https://store.example"]) }
    }

    @Test(arguments: [
        ("SUPABASE_URL", "https://abcd.supabase.co", "SUPABASE_SERVICE_ROLE_KEY"),
        ("SUPABASE_SERVICE_ROLE_KEY", "service", "SUPABASE_URL"), ("SUPABASE_ANON_KEY", "anon", "SUPABASE_URL"),
    ])
    func `half a store isn't taken for none, whose videos go to a folder`(name: String, value: String, missing: String)
        throws
    {
        let error = #expect(throws: SettingsError.self) { try Settings([name: value]) }
        #expect(error?.faults.map(\.variable) == [missing])
        for other in [
            ["STORAGE_DIR": "videos"], ["STORAGE_PROTOCOL": "dir"],
            ["S3_ENDPOINT": "http://127.0.0.1:8333", "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"],
        ] {
            #expect(throws: Never.self) { try Settings(other.merging([name: value]) { $1 }) }
        }
    }

    @Test func `keys of a store without its address are no reason to take a folder`() throws {
        var environment = ["S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"]
        let error = #expect(throws: SettingsError.self) { try Settings(environment) }
        #expect(error?.faults.map(\.variable) == ["S3_ENDPOINT"])
        environment["SUPABASE_URL"] = "https://abcd.supabase.co"
        #expect(try Settings(environment).storage.s3?.accessKey == "key")
    }

    @Test func `the folder that is taken where no store is set is listed as the default`() throws {
        func listed(_ environment: [String: String]) throws -> SettingsReader.Entry? {
            try Settings(environment).entries.first { $0.variable == "STORAGE_DIR" }
        }
        let taken = SettingsReader.Entry(variable: "STORAGE_DIR", shown: "media", source: .default)
        #expect(try listed([:]) == taken)
        #expect(try listed(["STORAGE_PROTOCOL": "dir"]) == taken)
        let store = ["S3_ENDPOINT": "http://127.0.0.1:8333", "S3_ACCESS_KEY_ID": "k", "S3_SECRET_ACCESS_KEY": "s"]
        #expect(try listed(store)?.source == .unset)
        #expect(try listed(store.merging(["STORAGE_PROTOCOL": "dir"]) { $1 }) == taken)
    }

    @Test(arguments: ["videos", "My_Videos.2", "a b", "..", "a/b"])
    func `a bucket may be called what a store may call it`(name: String) throws {
        let faults = #expect(throws: SettingsError.self) { try Settings(["STORAGE_BUCKET": name, "PORT": "x"]) }?.faults
        #expect(faults?.map(\.variable).contains("STORAGE_BUCKET") == !["videos", "My_Videos.2"].contains(name))
    }

    @Test func `own S3 keys win over Supabase's, and a folder over both`() throws {
        var environment = [
            "SUPABASE_URL": "https://abcd.supabase.co", "SUPABASE_ANON_KEY": "anon",
            "SUPABASE_SERVICE_ROLE_KEY": "service",
            "S3_ENDPOINT": "http://127.0.0.1:8333", "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret",
        ]
        guard case .s3(let access) = try Settings(environment).storage.choice else {
            Issue.record("no S3")
            return
        }
        #expect(access.accessKey == "key")
        #expect(access.sessionToken == nil)
        environment["STORAGE_DIR"] = "/srv/media"
        guard case .directory("/srv/media") = try Settings(environment).storage.choice else {
            Issue.record("no folder")
            return
        }
    }

    @Test func `oneDrive's rotating token, client credentials and a given token are told apart`() throws {
        let token = try Settings(["ONEDRIVE_REFRESH_TOKEN": "r", "ONEDRIVE_CLIENT_ID": "id"]).oneDrive
        guard case .refreshToken(let secret)? = token.credential else {
            Issue.record("no refresh token")
            return
        }
        #expect(secret.revealed == "r")
        #expect(throws: SettingsError.self) { try Settings(["ONEDRIVE_REFRESH_TOKEN": "r"]) }
        // An application can't read personal OneDrives: it needs its organisation.
        #expect(throws: SettingsError.self) {
            try Settings(["ONEDRIVE_CLIENT_ID": "id", "ONEDRIVE_CLIENT_SECRET": "s"])
        }
        let application = try Settings([
            "ONEDRIVE_CLIENT_ID": "id", "ONEDRIVE_CLIENT_SECRET": "s", "ONEDRIVE_TENANT": "contoso.example",
        ]).oneDrive
        guard case .clientCredentials? = application.credential else {
            Issue.record("no client credentials")
            return
        }
    }

    @Test func `no secret is in what is listed, described, mirrored or thrown`() throws {
        let planted = "planted-secret-0123456789"
        let variables = [
            "DATABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY", "S3_SECRET_ACCESS_KEY",
            "ONEDRIVE_CLIENT_SECRET", "ONEDRIVE_REFRESH_TOKEN", "ONEDRIVE_ACCESS_TOKEN", "REELWAY_API_TOKEN",
        ]
        var environment = Dictionary(uniqueKeysWithValues: variables.map { ($0, planted) })
        environment["DATABASE_URL"] = "postgres://reelway:\(planted)@127.0.0.1/videos"
        environment["S3_ACCESS_KEY_ID"] = "key"
        environment["SUPABASE_URL"] = "https://abcd.supabase.co"
        environment["ONEDRIVE_CLIENT_ID"] = "id"
        environment["ONEDRIVE_TENANT"] = "contoso.example"
        let settings = try Settings(environment)
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!dumped.contains(planted))
        #expect(!"\(settings)".contains(planted))
        #expect(!settings.entries.contains { $0.shown.contains(planted) })
        environment["PORT"] = planted
        environment["SUPABASE_URL"] = "https://user:\(planted)@abcd.supabase.co"
        let error = #expect(throws: SettingsError.self) { try Settings(environment) }
        #expect(error.map { !"\($0)".contains(planted) } ?? false)
    }
}
