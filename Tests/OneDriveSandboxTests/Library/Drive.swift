import Foundation
import OneDriveSandbox

/// A sandbox over one clip of 1,000,003 bytes, and what tests ask of it.
struct Drive: Sendable {
    static let bytes = noise(1_000_003)
    static let size = Int64(bytes.count)

    let sandbox: OneDriveSandbox
    let folder: String

    static func with(
        _ change: (inout SandboxOptions) -> Void = { _ in }, _ body: (Drive) async throws -> Void
    ) async throws {
        try await TemporaryFolder.with { folder in
            try bytes.write(to: URL(fileURLWithPath: folder + "/clip.mp4"))
            var options = SandboxOptions()
            change(&options)
            let sandbox = try await OneDriveSandbox.start(folder: folder, options: options)
            do { try await body(Drive(sandbox: sandbox, folder: folder)) } catch {
                await sandbox.stop()
                throw error
            }
            await sandbox.stop()
        }
    }

    var url: String { sandbox.downloadURL(for: "clip.mp4") ?? "" }
    var itemPath: String { "/me/drive/items/\(sandbox.itemID(for: "clip.mp4"))" }

    /// Asks Graph with a good token.
    func graph(_ path: String, _ arguments: String...) async throws -> Curl {
        try await Curl.run(
            sandbox.graphURL + path, "-H", "Authorization: Bearer \(sandbox.accessToken())",
            "-H", arguments.first ?? "Accept: */*")
    }

    func token(tenant: String = "consumers", _ form: [String: String]) async throws -> Curl {
        var fields = ["client_id": sandbox.options.clientID]
        fields.merge(form) { $1 }
        let body = fields.compactMap { name, value in
            value.addingPercentEncoding(withAllowedCharacters: .alphanumerics).map { "\(name)=\($0)" }
        }.joined(separator: "&")
        return try await Curl.run(
            "\(sandbox.loginURL)/\(tenant)/oauth2/v2.0/token", body: Data(body.utf8))
    }
}
