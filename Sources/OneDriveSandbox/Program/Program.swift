import ArgumentParser
import Foundation
import LoopbackHTTP
import OneDriveSandbox

/// `onedrive-sandbox --folder F`: a OneDrive on loopback until SIGTERM or SIGINT.
@main
struct Program: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "onedrive-sandbox",
        abstract:
            "Plays Microsoft Graph, its token endpoint and its download host on 127.0.0.1 over a folder of videos.")

    @Option(help: "The folder; its visible files are the drive's items.")
    var folder: String

    @Option(help: "The port of Graph and the token endpoint; 0 takes a free one.")
    var port = 0

    @Option(help: "The port of the download host; 0 takes a free one.")
    var downloadPort = 0

    @Option(help: "The download host's MiB/s over all connections.")
    var bandwidthMib: Double?

    @Option(help: "The download host's MiB/s for each connection.")
    var connectionBandwidthMib: Double?

    @Option(help: "Milliseconds before each answer.")
    var latencyMs = 0

    @Option(help: "How many seconds a download URL is good for.")
    var urlLifetime = 3600.0

    @Option(help: "How many seconds an access token is good for.")
    var tokenLifetime = 3599.0

    @Flag(help: "Answer 200 with all bytes to every range.")
    var withoutRanges = false

    @Flag(help: "Leave the hashes out of the items' properties.")
    var withoutHashes = false

    @Option(
        help: "A JSON array of faults to play: [{\"action\": {\"reset\": {\"at\": 1000000}}, \"item\": \"clip.mp4\"}].")
    var faults: String?

    @Option(help: "Write addresses, credentials and item ids to this file once it listens.")
    var readyFile: String?

    @Option(help: "Write every request to this file at the end, one JSON object a line.")
    var requestsFile: String?

    func validate() throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw ValidationError("--folder: there is no folder \(folder)")
        }
        for rate in [bandwidthMib, connectionBandwidthMib].compactMap({ $0 }) where !(rate > 0) {
            throw ValidationError("a bandwidth must be above 0 MiB/s")
        }
        guard latencyMs >= 0 else { throw ValidationError("--latency-ms must not be negative") }
    }

    func run() async throws {
        var options = SandboxOptions()
        options.port = port
        options.downloadPort = downloadPort
        options.bandwidth = Throttle.Limits(
            perConnection: connectionBandwidthMib.map { $0 * 1_048_576 }, total: bandwidthMib.map { $0 * 1_048_576 })
        options.latency = .milliseconds(latencyMs)
        options.urlLifetime = .seconds(urlLifetime)
        options.tokenLifetime = .seconds(tokenLifetime)
        options.supportsRanges = !withoutRanges
        options.publishesHashes = !withoutHashes

        let script: [Fault] =
            if let faults {
                try JSONDecoder().decode([Fault].self, from: Data(contentsOf: URL(fileURLWithPath: faults)))
            } else {
                []
            }
        let signals = StopSignals()
        let sandbox = try await OneDriveSandbox.start(folder: folder, options: options)
        sandbox.setFaults(script)
        try announce(sandbox)
        await signals.first()
        await sandbox.stop()
        if let requestsFile { try RequestLines.write(sandbox.requests, to: requestsFile) }
    }

    private func announce(_ sandbox: OneDriveSandbox) throws {
        let options = sandbox.options
        let environment = [
            ("ONEDRIVE_GRAPH_URL", sandbox.graphURL), ("ONEDRIVE_LOGIN_URL", sandbox.loginURL),
            ("ONEDRIVE_DOWNLOAD_HOSTS", sandbox.downloadHost), ("ONEDRIVE_TENANT", "consumers"),
            ("ONEDRIVE_CLIENT_ID", options.clientID), ("ONEDRIVE_CLIENT_SECRET", options.clientSecret),
            ("ONEDRIVE_REFRESH_TOKEN", options.refreshToken), ("REELWAY_ALLOW_PRIVATE_HOSTS", "true"),
        ]
        for (name, value) in environment { print("\(name)='\(value)'") }
        for item in sandbox.items { print("# onedrive:\(item.id)  \(item.name)  \(item.size) bytes") }
        fflush(nil)
        guard let readyFile else { return }
        let ready = Ready(
            graphURL: sandbox.graphURL, loginURL: sandbox.loginURL, downloadHost: sandbox.downloadHost,
            tenant: options.tenant, clientID: options.clientID, clientSecret: options.clientSecret,
            refreshToken: sandbox.refreshToken, accessToken: sandbox.accessToken(lifetime: .seconds(86400)),
            driveID: sandbox.driveID, user: options.user,
            environment: Dictionary(uniqueKeysWithValues: environment),
            items: sandbox.items.map { Ready.Item(name: $0.name, id: $0.id, size: $0.size) })
        let form = JSONEncoder()
        form.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try form.encode(ready).write(to: URL(fileURLWithPath: readyFile), options: .atomic)
    }
}

/// What the ready file holds.
private struct Ready: Encodable {
    struct Item: Encodable {
        let name: String
        let id: String
        let size: Int64
    }

    let graphURL: String
    let loginURL: String
    let downloadHost: String
    let tenant: String
    let clientID: String
    let clientSecret: String
    let refreshToken: String
    let accessToken: String
    let driveID: String
    let user: String
    let environment: [String: String]
    let items: [Item]
}
