import Foundation
import StorageFaults

@testable import Transfer

/// A project of its own for a test: Supabase's rules before SeaweedFS and the tus server.
final class SupabaseProject: Sendable {
    let standIn: SupabaseStandIn
    let client = SeaweedFS.client(stallSeconds: 3)
    let bucket = "project-\(UUID().uuidString.prefix(8).lowercased())"
    private let weed: SeaweedFS
    /// Where bodies wait.
    private let folder = NSTemporaryDirectory() + "spool-\(UUID().uuidString)"

    private static let tus = ProcessInfo.processInfo.environment["REELWAY_TEST_TUS_URL"]
    static let isThere = SeaweedFS.isThere && tus != nil

    var url: String { standIn.url }
    var keys: SupabaseKeys { standIn.keys }

    static func start(fileSizeLimit: Int64 = 52_428_800) async throws -> SupabaseProject {
        guard let weed = SeaweedFS.running, let tus else { throw TransferError(.internal, "no services") }
        var options = SupabaseStandIn.Options()
        options.fileSizeLimit = fileSizeLimit
        let standIn = try await SupabaseStandIn.start(
            store: weed.endpoint, accessKey: weed.accessKey, secretKey: weed.secretKey, tus: tus, options: options)
        return try SupabaseProject(weed, standIn)
    }

    private init(_ weed: SeaweedFS, _ standIn: SupabaseStandIn) throws {
        self.weed = weed
        self.standIn = standIn
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func stop() async {
        client.shutdown()
        await standIn.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The store by TUS, perhaps through a proxy.
    func tus(_ key: String, url: String? = nil, policy: RetryPolicy = SeaweedFS.hasty) throws -> SupabaseStore {
        try SupabaseStore(
            settings(key, url), client: client, policy: policy, temporaryFolder: folder)
    }

    /// The store by S3 with session-token credentials.
    func s3(_ key: String? = nil) throws -> S3Store {
        let settings = settings(key ?? keys.service, nil)
        guard var s3 = settings.s3() else { throw TransferError(.internal, "no credentials") }
        s3.partBytes = PartLayout.smallestPart
        return try S3Store(s3, supabase: settings, client: client, policy: SeaweedFS.hasty)
    }

    private func settings(_ key: String, _ url: String?) -> SupabaseSettings {
        var settings = SupabaseSettings(
            url: url ?? self.url, serviceKey: key, anonymousKey: keys.anonymous, bucket: bucket)
        settings.fileSizeLimit = 300_000_000
        return settings
    }

    /// SHA-256 of what really is in the store behind.
    func storedHash(_ key: String) throws -> String {
        try S3Store(weed.settings(bucket: bucket), client: client, policy: SeaweedFS.hasty).sha256(key: key)
    }

    /// Files in the folder, also those without a name, that this process has open.
    var openFiles: Int {
        let files = FileManager.default
        let descriptors = (try? files.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        let named = (try? files.contentsOfDirectory(atPath: folder))?.count ?? 0
        return named
            + descriptors.count {
                (try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.hasPrefix(folder) == true
            }
    }
}

extension SupabaseStore {
    /// The headers that prove who asks.
    var credentials: [(name: String, value: String)] { settings.credentials }
}
