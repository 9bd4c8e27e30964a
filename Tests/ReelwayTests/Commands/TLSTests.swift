import Foundation
import Testing

/// `reelway transcode https://…` from a server whose certificate an authority signed that this machine may or may not trust.
@Suite(.enabled(if: HTTPSServer.url != nil)) struct TLSTests {
    private static let clip = "treadmill-portrait-60fps.mp4"

    /// Runs it where only the authorities in a file are trusted; nil where the machine allows no such place.
    private func transcode(from server: String, to output: String, trusting authorities: String?) async throws
        -> Program.Result?
    {
        guard try await Program.run("/usr/bin/unshare", ["-m", "true"], environment: [:]).status == 0 else {
            print("skipped: what this machine trusts can't be changed for one program here")
            return nil
        }
        let trust = "mount --bind \"$0\" /etc/ssl/certs/ca-certificates.crt && exec \"$@\""
        return try await Program.run(
            "/usr/bin/unshare",
            ["-m", "--"] + (authorities.map { ["sh", "-c", trust, $0] } ?? [])
                + [Program.reelway, "transcode", "--progress", "none", "\(server)/\(Self.clip)", output],
            environment: ["REELWAY_ALLOW_PRIVATE_HOSTS": "true"])
    }

    @Test func `a clip comes over TLS from a server that is trusted`() async throws {
        let folder = try TestFolder()
        let output = folder.path + "/out.mp4"
        guard
            let result = try await transcode(
                from: try #require(HTTPSServer.url), to: output, trusting: HTTPSServer.authority)
        else { return }
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("checked against reels: ready"))
    }

    @Test(arguments: [true, false])
    func `a server that isn't trusted, or has another name than its certificate, is refused`(isTrusted: Bool)
        async throws
    {
        let folder = try TestFolder()
        let server = try #require(HTTPSServer.url).replacing("localhost", with: isTrusted ? "127.0.0.1" : "localhost")
        guard
            let result = try await transcode(
                from: server, to: folder.path + "/out.mp4", trusting: isTrusted ? HTTPSServer.authority : nil)
        else { return }
        #expect(result.status == 69)
        #expect(result.errors.hasPrefix("reelway: source_unavailable: ") && result.errors.contains("certificate"))
        #expect(result.errors.split(separator: "\n").count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}

/// The server of Tests/services/https.sh.
private enum HTTPSServer {
    static let url = ProcessInfo.processInfo.environment["REELWAY_TEST_HTTPS_URL"]
    static let authority = ProcessInfo.processInfo.environment["REELWAY_TEST_HTTPS_AUTHORITY"] ?? ""
}
