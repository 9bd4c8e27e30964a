import FoundationEssentials
import Glibc

/// The object store that Tests/services/run started, behind a link of known speed that counts what passes.
final class StoreLink {
    /// One line of the proxy's log.
    struct Request: Decodable {
        /// The S3 operation, such as `UploadPart 2`.
        let subject: String?
        let bytesReceived: Int64
        let bytesSent: Int64
        let arrived: Double
        let finished: Double?
    }

    static let bucket = "bench"
    private let child: Child
    private let log: String
    private let address: String
    private let key: (id: String, secret: String)

    /// - Parameter more: options of the proxy, such as its bandwidth.
    init(_ more: [String] = []) throws {
        let environment = ProcessInfo.processInfo.environment
        guard let endpoint = environment["REELWAY_TEST_S3_ENDPOINT"],
            let id = environment["REELWAY_TEST_S3_ACCESS_KEY"],
            let secret = environment["REELWAY_TEST_S3_SECRET_KEY"]
        else { throw BenchError("start it with a store: Tests/services/run seaweedfs -- …, as make bench does") }
        key = (id, secret)
        let scratch = Workplace.scratch("link-\(UniqueNumber.next())")
        log = scratch + ".requests"
        let readyFile = scratch + ".ready"
        let child = try Child(
            Command(
                Workplace.proxy,
                ["--upstream", endpoint, "--ready-file", readyFile, "--requests-file", log] + more))
        try Waiting.until("the storage proxy listens", while: { child.isRunning }) { Files.exists(readyFile) }
        self.child = child
        address = try Files.text(readyFile)
        // An existing bucket is as good as a new one.
        _ = try Child(Command("bash", ["-c", curl("-X PUT", to: endpoint + "/" + StoreLink.bucket)])).end()
    }

    deinit { Files.remove(log) }

    /// What Reelway needs to reach it.
    var environment: [String: String] {
        ["S3_ENDPOINT": address, "S3_ACCESS_KEY_ID": key.id, "S3_SECRET_ACCESS_KEY": key.secret]
    }

    /// Where Reelway stores an object.
    func object(_ name: String) -> String { "s3://\(StoreLink.bucket)/\(name)" }

    /// A shell command that stores a file, as a script would.
    func upload(_ path: String, as name: String) -> String {
        curl("-T '\(path)' -H 'Content-Type: video/mp4'", to: "\(address)/\(StoreLink.bucket)/\(name)")
    }

    private func curl(_ what: String, to url: String) -> String {
        "curl -sSf --aws-sigv4 aws:amz:us-east-1:s3 --user '\(key.id):\(key.secret)'"
            + " -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -o /dev/null \(what) '\(url)'"
    }

    /// Ends the proxy.
    /// - Returns: What passed.
    @discardableResult
    func stop() throws -> [Request] {
        child.signal(SIGTERM)
        _ = try child.finish()
        return try RequestLog.read(log)
    }
}
