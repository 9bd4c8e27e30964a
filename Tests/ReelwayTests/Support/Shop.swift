import Foundation
import Media
import LoopbackHTTP
import OneDriveSandbox
import Postgres
import StorageFaults
import Testing

@testable import Transfer
@testable import reelway

/// All that a worker needs, for one test: a database, a OneDrive over a folder of clips, a bucket, and the settings.
struct Shop: Sendable {
    /// Whether there are a database server and a store.
    static let isThere =
        TestDatabase.isThere && ProcessInfo.processInfo.environment["REELWAY_TEST_S3_ENDPOINT"] != nil

    let test: TestDatabase
    let drive: OneDriveSandbox
    let store: S3Store
    let environment: [String: String]
    private let client: HTTPClient

    /// Opens a shop on a database of its own.
    static func with(
        _ settings: [String: String] = [:], sandbox: SandboxOptions = SandboxOptions(),
        _ body: (Shop) async throws -> Void
    ) async throws {
        try await TestDatabase.withStore { test, _ in try await with(settings, on: test, sandbox: sandbox, body) }
    }

    /// The same on a database that is there.
    static func with(
        _ settings: [String: String] = [:], on test: TestDatabase, sandbox: SandboxOptions = SandboxOptions(),
        _ body: (Shop) async throws -> Void
    ) async throws {
        let given = ProcessInfo.processInfo.environment
        let drive = try await OneDriveSandbox.start(folder: try Clips.folder(), options: sandbox)
        // One for all: a bucket costs this store several volumes.
        let s3 = S3Settings(
            endpoint: given["REELWAY_TEST_S3_ENDPOINT"] ?? "", region: "us-east-1",
            accessKey: given["REELWAY_TEST_S3_ACCESS_KEY"] ?? "", secretKey: given["REELWAY_TEST_S3_SECRET_KEY"] ?? "",
            bucket: "shop")
        var options = HTTPClient.Options()
        options.allowsPrivateHosts = true
        let client = HTTPClient(options)
        let store = try S3Store(s3, client: client)
        let environment = [
            "DATABASE_URL": test.address, "S3_ENDPOINT": s3.endpoint, "S3_ACCESS_KEY_ID": s3.accessKey,
            "S3_SECRET_ACCESS_KEY": s3.secretKey, "STORAGE_BUCKET": s3.bucket,
            "ONEDRIVE_GRAPH_URL": drive.graphURL, "ONEDRIVE_LOGIN_URL": drive.loginURL,
            "ONEDRIVE_DOWNLOAD_HOSTS": drive.downloadHost, "ONEDRIVE_CLIENT_ID": drive.options.clientID,
            "ONEDRIVE_REFRESH_TOKEN": drive.refreshToken, "ONEDRIVE_TENANT": "consumers",
            "REELWAY_ALLOW_PRIVATE_HOSTS": "true", "REELWAY_UPLOAD_PART_MIB": "5",
            "REELWAY_LEASE_SECONDS": "3", "REELWAY_POLL_SECONDS": "0.2", "REELWAY_RETRY_BASE_SECONDS": "0.2",
        ].merging(settings) { $1 }
        let result: Result<Void, any Error>
        do {
            try await JobThread.run(named: "bucket") { try store.prepare(isCancelled: { false }) }
            result = .success(
                try await body(Shop(test: test, drive: drive, store: store, environment: environment, client: client)))
        } catch {
            result = .failure(error)
        }
        await drive.stop()
        client.shutdown()
        try result.get()
    }

    /// Starts a worker of its own process.
    func worker(_ more: [String: String] = [:]) throws -> Program {
        try Program(
            Program.reelway, ["serve", "--role", "worker"], environment: environment.merging(more) { $1 })
    }

    /// Starts HTTP and a worker in one process.
    func service(_ more: [String: String] = [:]) throws -> Program {
        try Program(Program.reelway, ["serve"], environment: environment.merging(more) { $1 })
    }

    /// Lists a product's video, which asks for its transcode.
    func insert(_ clip: String) async throws -> String {
        try await test.insertVideo(drive.itemID(for: clip), name: clip)
    }

    /// Waits until the row says so, and returns it.
    @discardableResult
    func wait(
        _ id: String, within seconds: Double = 60, until condition: (Row) -> Bool
    ) async throws -> Row {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            guard let row = try await test.row(id) else { throw Program.Fault(description: "there is no row \(id)") }
            if condition(row) { return row }
            guard ContinuousClock.now < deadline else {
                throw Program.Fault(
                    description: "the row stays \(row["social_ready_status"] ?? "") \(row["social_ready_error"] ?? "")")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Waits until it is ready.
    @discardableResult
    func ready(_ id: String, within seconds: Double = 60) async throws -> Row {
        try await wait(id, within: seconds) { $0["social_ready_status"] == "ready" }
    }

    /// The keys of a video's objects.
    func objects(of id: String) async throws -> [String] {
        try await JobThread.run(named: "list") { [store] in
            try store.objects.list(prefix: "\(id)/", { false }).result.get()
        }
    }

    /// How many uploads of a video the store holds open.
    func openUploads(of id: String) async throws -> Int {
        try await JobThread.run(named: "uploads") { [store] in
            try store.reapUploads(prefix: "\(id)/", isCancelled: { false })
        }
    }

    /// Waits until nothing is left that the row doesn't name, and checks that there is one object, a conforming MP4 at
    /// the row's address, and no open upload.
    func expectOneResult(_ row: Row) async throws {
        let id: String = row["id"] ?? ""
        try await sweep()
        #expect(try await objects(of: id).count == 1)
        #expect(try await openUploads(of: id) == 0)
        let folder = try TestFolder()
        try folder.write("result.mp4", Data(try await fetch(row["social_ready_url"] ?? "")))
        let inspection = try Inspection(FileSource(path: folder.path + "/result.mp4"), options: .init())
        #expect(inspection.conformance?.ready == true)
    }

    /// Waits until the workers have removed all that is left.
    func sweep() async throws {
        let store = JobStore(test.database)
        try await until("nothing is left") { try await store.leftovers().isEmpty }
    }

    /// Waits until a proxy has passed on all that it held.
    func settle(_ proxy: StorageProxy) async throws {
        try await until("nothing is under way") { proxy.requests.allSatisfy { $0.outcome != .open } }
    }

    /// Waits until something is so.
    func until(_ what: String, within seconds: Double = 60, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try await !condition() {
            guard ContinuousClock.now < deadline else { throw Program.Fault(description: "it isn't so: \(what)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Fetches what anyone can see at an address.
    func fetch(_ url: String) async throws -> [UInt8] {
        var request = HTTPRequest("GET", url)
        request.maximumResponseBytes = 256 << 20
        return try await client.response(to: request).body
    }
}

/// The clips on the test's drive.
enum Clips {
    /// A camera's clip of 1 MB: one PutObject.
    static let small = "treadmill-portrait-60fps.mp4"
    /// A conforming clip of about 15 MB: a multipart upload.
    static let large = "large.mp4"
    /// The same with its index behind its media.
    static let indexBehind = "index-behind.mp4"
    /// A small clip, its index first, that has to be encoded.
    static let foreign = "foreign.mp4"
    /// A small clip that conforms by its index, but whose size changes in the middle.
    static let changing = "size-change.mp4"

    private static let made = Result { () throws -> TestFolder in
        let folder = try TestFolder()
        let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("fixtures")
        for (kind, name) in [("camera", small), ("clips", changing)] {
            try FileManager.default.copyItem(
                at: fixtures.appendingPathComponent("\(kind)/\(name)"),
                to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
        }
        try make(
            ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=10,noise=alls=60:allf=t,format=yuv420p"]
                + ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "12M", "-maxrate", "12M", "-bufsize", "6M"]
                + ["-g", "30"] + finish, folder.path + "/" + large)
        try make(["-i", "\(folder.path)/\(large)", "-c", "copy"], folder.path + "/" + indexBehind)
        try make(
            ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=6", "-c:v", "mpeg4", "-b:v", "3M"]
                + finish, folder.path + "/" + foreign)
        return folder
    }

    /// Tagged as phones tag, the index in front.
    private static let finish =
        ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
        + ["-movflags", "+faststart"]

    private static func make(_ arguments: [String], _ path: String) throws {
        let ffmpeg = Process()
        ffmpeg.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        ffmpeg.arguments = ["ffmpeg", "-nostdin", "-v", "error"] + arguments + [path]
        try ffmpeg.run()
        ffmpeg.waitUntilExit()
        guard ffmpeg.terminationStatus == 0 else { throw Program.Fault(description: "ffmpeg made no \(path)") }
    }

    static func folder() throws -> String { try made.get().path }
}
