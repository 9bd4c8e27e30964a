public import LoopbackHTTP

/// A OneDrive on loopback over a folder of videos: for tests, benchmarks and the demo.
///
/// ```
///               TokenBook ─ grants and checks tokens
///                   │
/// client ─▶ GraphHost (/{tenant}/oauth2/v2.0/token, /v1.0/…) ─▶ Folder ─▶ Item (id, cTag, quickXorHash)
///    │              │ issues a URL
///    └────▶ DownloadHost (a port of its own) ─▶ DownloadAnswer (pure) ─▶ bytes of the file, paced
///                   │
///        FaultScript ─ every endpoint asks it what goes wrong now; Journal ─ every request is recorded
/// ```
///
/// What the real service rejects is rejected: an Authorization header on a download URL, a URL that isn't byte for byte
/// the one issued, an expired one, application tokens on `/me`, expired tokens.
public final class OneDriveSandbox: Sendable {
    /// Its options, as started.
    public let options: SandboxOptions
    /// `http://127.0.0.1:PORT/v1.0`
    public let graphURL: String
    /// `http://127.0.0.1:PORT`
    public let loginURL: String
    /// Host name of the download URLs.
    public let downloadHost = "127.0.0.1"

    private let folder: Folder
    private let queue: FaultQueue
    private let journal: Journal
    private let throttle: Throttle
    private let latency: Latency
    private let graph: GraphHost
    private let downloads: DownloadHost
    private let graphServer: LoopbackServer
    private let downloadServer: LoopbackServer

    /// Starts one; it runs until `stop`.
    /// - Parameter folder: Its regular, visible files are the drive's items. Never written to.
    /// - Throws: When a port can't be had.
    public static func start(folder: String, options: SandboxOptions = SandboxOptions()) async throws -> OneDriveSandbox
    {
        let folder = Folder(folder)
        let queue = FaultQueue()
        let journal = Journal()
        let throttle = Throttle(options.bandwidth)
        let latency = Latency(options.latency)
        let downloads = DownloadHost(folder, options, queue, latency)
        let graph = GraphHost(folder, options, queue, downloads, latency)
        let downloadServer = try await LoopbackServer.start(
            port: options.downloadPort, journal: journal, throttle: throttle, handler: downloads.answer)
        downloads.listens(at: "http://127.0.0.1:\(downloadServer.port)")
        do {
            let graphServer = try await LoopbackServer.start(
                port: options.port, journal: journal, handler: graph.answer)
            return OneDriveSandbox(
                options, folder, queue, journal, throttle, latency, graph, downloads, graphServer, downloadServer)
        } catch {
            await downloadServer.stop()
            throw error
        }
    }

    private init(
        _ options: SandboxOptions, _ folder: Folder, _ queue: FaultQueue, _ journal: Journal, _ throttle: Throttle,
        _ latency: Latency, _ graph: GraphHost, _ downloads: DownloadHost, _ graphServer: LoopbackServer,
        _ downloadServer: LoopbackServer
    ) {
        self.options = options
        self.folder = folder
        self.queue = queue
        self.journal = journal
        self.throttle = throttle
        self.latency = latency
        self.graph = graph
        self.downloads = downloads
        self.graphServer = graphServer
        self.downloadServer = downloadServer
        loginURL = "http://127.0.0.1:\(graphServer.port)"
        graphURL = loginURL + "/v1.0"
    }

    /// Stops listening and drops all connections.
    public func stop() async {
        await graphServer.stop()
        await downloadServer.stop()
    }

    // MARK: What is there

    /// The drive's id.
    public var driveID: String { Item.drive }

    /// An item's id: the same in every run for a file name.
    public func itemID(for name: String) -> String { Item.id(for: name) }

    /// File names, ids and sizes of all items.
    public var items: [(name: String, id: String, size: Int64)] { folder.items.map { ($0.name, $0.id, $0.size) } }

    /// The item's quickXorHash in base64; `nil` if there is no such file.
    public func quickXorHash(of name: String) async throws -> String? {
        guard let item = folder.item(named: name) else { return nil }
        return try await folder.quickXorHash(of: item)
    }

    /// The item's cTag; `nil` if there is no such file.
    public func cTag(of name: String) -> String? { folder.item(named: name)?.cTag }

    /// The refresh token that is good now.
    public var refreshToken: String { graph.refreshToken }

    /// A new access token of the drive's owner.
    public func accessToken(lifetime: Duration = .seconds(3599)) -> String {
        graph.accessToken(.user, lifetime: lifetime)
    }

    /// A new download URL for an item; `nil` if there is no such file.
    public func downloadURL(for name: String) -> String? { folder.item(named: name).map(downloads.issueURL(for:)) }

    // MARK: What happens

    /// All requests since the start or the last `clearRequests`, in the order of arrival.
    public var requests: [RecordedRequest] { journal.requests }

    /// The requests to the download host.
    public var downloadRequests: [RecordedRequest] { requests.filter { $0.path.hasPrefix("/personal/") } }

    /// Forgets the requests so far.
    public func clearRequests() { journal.clear() }

    /// Waits for a request that fits; `nil` when none comes in time.
    public func firstRequest(
        within time: Duration = .seconds(10), where fits: (RecordedRequest) -> Bool
    ) async throws -> RecordedRequest? {
        try await journal.first(within: time, where: fits)
    }

    /// Connections open now to Graph and to the download host.
    public var openConnections: Int { graphServer.openConnections + downloadServer.openConnections }

    // MARK: What goes wrong

    /// Replaces the faults still to come; the first that fits a request is played. What stalls or is delayed
    /// because of the old ones is let go at once.
    public func setFaults(_ faults: [Fault]) { queue.replace(with: faults) }

    /// Adds faults behind those still to come.
    public func script(_ faults: Fault...) { queue.append(faults) }

    /// Every download URL issued so far is refused from now on.
    public func expireURLs() { downloads.expireURLs() }

    /// Every access token issued so far is refused from now on; with `refreshTokens` those too.
    public func revokeTokens(refreshTokens: Bool = false) { graph.revokeTokens(refreshTokens: refreshTokens) }

    /// The item's content becomes that of another file: new size, cTag, eTag and hash, at once and for open URLs too.
    public func replace(_ name: String, with path: String) { folder.replace(name, with: path) }

    /// A property of the item changes: its eTag does, its cTag doesn't.
    public func touch(_ name: String) { folder.touch(name) }

    /// Time before each answer from now on.
    public func setLatency(_ time: Duration) { latency.time = time }

    /// How fast the download host sends from now on; in bytes per second.
    public func setBandwidth(perConnection: Double? = nil, total: Double? = nil) {
        throttle.limits = Throttle.Limits(perConnection: perConnection, total: total)
    }
}
