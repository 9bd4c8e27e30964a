import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Postgres
import StorageFaults
import Testing

@testable import reelway

@Suite(.enabled(if: TestDatabase.isThere))
struct DoctorCommandTests {
    @Test func `doctor finds all well where it is, and says so`() async throws {
        let (store, clips) = (try TestFolder(), try TestFolder())
        try clips.write("clip.mp4", Data(count: 1000))
        let oneDrive = try await OneDriveSandbox.start(folder: clips.path)
        try await TestDatabase.withStore { test, _ in
            let environment = [
                "DATABASE_URL": test.address, "STORAGE_DIR": store.path + "/media",
                "ONEDRIVE_ACCESS_TOKEN": oneDrive.accessToken(), "ONEDRIVE_GRAPH_URL": oneDrive.graphURL,
                "REELWAY_ALLOW_PRIVATE_HOSTS": "true",
            ]
            let early = try await Program.run(Program.reelway, ["doctor"], environment: environment)
            #expect(early.status == 0, "\(early.output)\(early.errors)")
            #expect(early.output.contains("no row names an item"))
            _ = try await test.insertVideo(oneDrive.itemID(for: "clip.mp4"))
            let well = try await Program.run(Program.reelway, ["doctor"], environment: environment)
            #expect(well.status == 0, "\(well.output)\(well.errors)")
            for line in [
                "STORAGE_DIR ", "(environment)", "REELWAY_LEASE_SECONDS ", "(default)", "ok     codecs: ",
                "ok     room: ", "ok     database: PostgreSQL ", "ids of type uuid; videos waiting: 1, failed: 0",
                "ok     notifications: ",
                "ok     storage: ", "ok     OneDrive: signed in; clip.mp4 can be read",
                "all is well",
            ] {
                #expect(well.output.contains(line), "\(line)")
            }
            #expect(!well.output.contains(environment["ONEDRIVE_ACCESS_TOKEN"] ?? "-"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: store.path + "/media").isEmpty)
        }
        await oneDrive.stop()
    }

    @Test func `doctor names each fault, what to set, and ends with the first one's status`() async throws {
        let folder = try TestFolder()
        try folder.write("media", Data("a file where the folder should be".utf8))
        try await TestDatabase.with { test in
            let ill = try await Program.run(
                Program.reelway, ["doctor"],
                environment: ["DATABASE_URL": test.address, "STORAGE_DIR": folder.path + "/media"])
            #expect(ill.status == 69)
            for line in [
                "FAULT  database: database_unavailable: ", "see to it: run: reelway migrate",
                "FAULT  storage: storage_rejected: ",
                "see to it: STORAGE_DIR", "FAULT  OneDrive: source_auth: ", "ONEDRIVE_REFRESH_TOKEN",
            ] {
                #expect(ill.output.contains(line), "\(line) in \(ill.output)")
            }
            #expect(
                ill.errors
                    == "reelway: database_unavailable: the checks of database, storage, OneDrive failed: see above\n")
        }
    }

    @Test(.enabled(if: Shop.isThere))
    func `doctor tells of a key that may not list uploads`() async throws {
        try await Shop.with { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            proxy.setFaults([
                StorageFault(.refuse(.s3(403)), method: "GET", query: ["uploads": nil], times: StorageFault.always)
            ])
            let told = try await Program.run(
                Program.reelway, ["doctor"], environment: shop.environment.merging(["S3_ENDPOINT": proxy.url]) { $1 })
            #expect(told.status == 0, "\(told.output)\(told.errors)")
            #expect(
                told.output.contains("takes, shows and deletes objects, and doesn't list uploads"), "\(told.output)")
            await proxy.stop()
        }
    }

    @Test func `doctor says that a store can't be reached`() async throws {
        try await TestDatabase.withStore { test, _ in
            let start = ContinuousClock.now
            let ill = try await Program.run(
                Program.reelway, ["doctor"],
                environment: [
                    "DATABASE_URL": test.address, "S3_ENDPOINT": "http://127.0.0.1:1", "S3_ACCESS_KEY_ID": "key",
                    "S3_SECRET_ACCESS_KEY": "secret",
                ])
            #expect(ill.status == 69, "\(ill.output)\(ill.errors)")
            #expect(ill.output.contains("FAULT  storage: storage_unavailable: "), "\(ill.output)")
            #expect(.now - start < .seconds(20))
        }
    }

    @Test(.enabled(if: Shop.isThere)) func `doctor says that a store takes too long`() async throws {
        try await Shop.with { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            proxy.setFaults([StorageFault(.delay(seconds: 0.7), times: StorageFault.always)])
            let settings = try Settings(shop.environment.merging(["S3_ENDPOINT": proxy.url]) { $1 })
            var failure: Failure?
            for await finding in Diagnosis(settings, seconds: 3).findings() {
                if finding.subject == "storage", case .fault(let fault, _) = finding.verdict { failure = fault }
            }
            #expect(failure?.code == .storageUnavailable, "\(String(describing: failure))")
            await proxy.stop()
        }
    }

    @Test func `doctor blames a clock on the service that goes by it`() async throws {
        let server = try await LoopbackServer.start { exchange in
            try await exchange.answer(status: 401, headers: [("Date", "Sat, 01 Jan 2000 00:00:00 GMT")])
        }
        let url = "http://127.0.0.1:\(server.port)"
        let settings = try Settings([
            "DATABASE_URL": "postgres://127.0.0.1:1/none", "ONEDRIVE_GRAPH_URL": url, "ONEDRIVE_ACCESS_TOKEN": "token",
            "S3_ENDPOINT": url, "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret",
            "REELWAY_ALLOW_PRIVATE_HOSTS": "true",
        ])
        var codes: [String: ErrorCode] = [:]
        for await finding in Diagnosis(settings, seconds: 1).findings() {
            if case .fault(let fault, _) = finding.verdict { codes[finding.subject] = fault.code }
        }
        #expect(codes["OneDrive's clock"] == .sourceAuth)
        #expect(codes["storage's clock"] == .storageAuth)
        await server.stop()
    }

    @Test func `doctor lists the settings also where some are wrong`() async throws {
        let wrong = try await Program.run(
            Program.reelway, ["doctor"], environment: ["PORT": "x", "LOG_LEVEL": "loud", "STORAGE_BUCKET": "videos"])
        #expect(wrong.status == 64)
        for line in ["FAULT  DATABASE_URL: ", "FAULT  PORT: ", "FAULT  LOG_LEVEL: ", "videos  (environment)"] {
            #expect(wrong.output.contains(line), "\(line)")
        }
    }
}
