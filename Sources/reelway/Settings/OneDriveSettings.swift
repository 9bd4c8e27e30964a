/// How to read from OneDrive.
struct OneDriveSettings: Sendable {
    /// Ways to an access token, in the order in which they are preferred.
    enum Credential: Sendable {
        case accessToken(Secret)
        case refreshToken(Secret)
        case clientCredentials
    }

    /// `nil`: OneDrive is not set up.
    var credential: Credential?
    var tenant: String
    var clientID: String?
    var clientSecret: Secret?
    var graphURL: String
    var loginURL: String
    /// Host suffixes that downloads may come from; empty: those of Microsoft's own hosts.
    var downloadHosts: [String]

    init(_ reader: inout SettingsReader) {
        tenant = reader.text("ONEDRIVE_TENANT", default: "common")
        clientID = reader.text("ONEDRIVE_CLIENT_ID")
        clientSecret = reader.secret("ONEDRIVE_CLIENT_SECRET")
        let refreshToken = reader.secret("ONEDRIVE_REFRESH_TOKEN")
        let accessToken = reader.secret("ONEDRIVE_ACCESS_TOKEN")
        let graph = "https://graph.microsoft.com/v1.0"
        let login = "https://login.microsoftonline.com"
        graphURL = reader.address("ONEDRIVE_GRAPH_URL", default: graph) ?? graph
        loginURL = reader.address("ONEDRIVE_LOGIN_URL", default: login) ?? login
        downloadHosts = (reader.text("ONEDRIVE_DOWNLOAD_HOSTS") ?? "").split(separator: ",").map {
            $0.filter { !$0.isWhitespace }.lowercased()
        }
        if let accessToken {
            credential = .accessToken(accessToken)
        } else if let refreshToken {
            credential = .refreshToken(refreshToken)
            if clientID == nil { reader.fault("ONEDRIVE_CLIENT_ID", "is needed beside ONEDRIVE_REFRESH_TOKEN") }
        } else if clientSecret != nil {
            credential = .clientCredentials
            if clientID == nil { reader.fault("ONEDRIVE_CLIENT_ID", "is needed beside ONEDRIVE_CLIENT_SECRET") }
            if ["common", "consumers", "organizations"].contains(tenant) {
                reader.fault(
                    "ONEDRIVE_TENANT",
                    "client credentials need the organisation's own tenant id (or give ONEDRIVE_REFRESH_TOKEN)")
            }
        }
    }
}
