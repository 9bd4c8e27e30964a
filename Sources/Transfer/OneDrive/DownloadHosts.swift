/// Which hosts OneDrive's download addresses may be on. Decides only.
struct DownloadHosts: Sendable {
    /// OneDrive for work and school (with its national clouds), and for home. Sources: the clouds' published endpoint
    /// lists, and addresses seen in Microsoft's own issue trackers.
    static let microsoft = [
        "sharepoint.com", "sharepoint.us", "sharepoint-mil.us", "sharepoint.cn", "sovcloud-sharepoint.de", "svc.ms",
        "1drv.com", "microsoftpersonalcontent.com", "onedrive.com", "onedrive.live.com", "storage.live.com",
        "livefilestore.com",
    ]

    private let suffixes: [String]
    private let allowsHTTP: Bool

    /// - Parameters:
    ///   - suffixes: host names; each allows itself and what ends with a dot and it. Empty: Microsoft's.
    ///   - allowsHTTP: whether plain http will do, for a stand-in on this machine.
    init(_ suffixes: [String], allowsHTTP: Bool) {
        let given = suffixes.map { String($0.lowercased().drop { $0 == "." || $0 == "*" }) }.filter { !$0.isEmpty }
        self.suffixes = given.isEmpty ? DownloadHosts.microsoft : given
        self.allowsHTTP = allowsHTTP
    }

    /// Whether bytes may be fetched from there.
    func allows(_ url: String) -> Bool {
        guard let address = HTTPAddress(url), !address.hasCredentials, address.scheme == "https" || allowsHTTP else {
            return false
        }
        return suffixes.contains { address.host == $0 || address.host.hasSuffix("." + $0) }
    }
}
