import Foundation
import LoopbackHTTP
import OneDriveSandbox
import StorageFaults
import Testing
import Transfer

@testable import reelway

/// `reelway transcode` from a OneDrive into a store.
@Suite(.enabled(if: Shop.isThere), .serialized)
struct StreamingCommandTests {
    private struct Stored: Decodable {
        struct Output: Decodable { let sha256: String }
        struct Timings: Decodable { let temporaryBytes: Int64 }
        let output: Output
        let timings: Timings
    }

    private func report(_ path: String) throws -> Stored {
        try JSONDecoder().decode(Stored.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }

    @Test
    func `What is streamed is the local result, and its parts leave while the source still comes, the first last`()
        async throws
    {
        try await Shop.with { shop in
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            shop.drive.setBandwidth(total: 5e6)
            let folder = try TestFolder()
            let key = "streamed-\(UUID().uuidString)/result.mp4"
            let remote = try await Program.run(
                Program.reelway,
                ["transcode", "onedrive:\(shop.drive.itemID(for: Clips.large))", "s3://shop/\(key)"]
                    + ["--report", folder.path + "/remote.json"],
                environment: shop.environment.merging(["S3_ENDPOINT": proxy.url]) { $1 })
            try #require(remote.status == 0, "\(remote.errors)")
            let local = try await Program.run(
                Program.reelway,
                ["transcode", try Clips.folder() + "/" + Clips.large, folder.path + "/local.mp4"]
                    + ["--report", folder.path + "/local.json"], environment: [:])
            try #require(local.status == 0, "\(local.errors)")
            // Encoding isn't the same twice: x264's rate buffer and its threads.
            #expect(local.output.contains("picture: copy"), "\(local.output)")
            let stored = try report(folder.path + "/remote.json")
            #expect(stored.output.sha256 == (try report(folder.path + "/local.json")).output.sha256)
            #expect(stored.timings.temporaryBytes == 0)
            let bytes = try await shop.fetch(shop.store.publicURL(key: key))
            #expect(Data(bytes) == FileManager.default.contents(atPath: folder.path + "/local.mp4"))

            let parts = proxy.requests.filter { $0.subject?.hasPrefix("UploadPart ") == true }
            let lastDownload = try #require(shop.drive.downloadRequests.compactMap(\.finished).max())
            let second = try #require(parts.first { $0.subject == "UploadPart 2" })
            #expect(second.arrived < lastDownload)
            let first = try #require(parts.first { $0.subject == "UploadPart 1" })
            #expect(parts.count >= 3)
            #expect(parts.allSatisfy { $0.subject == "UploadPart 1" || $0.arrived < first.arrived })
            await proxy.stop()
        }
    }

    @Test(arguments: [Clips.small, Clips.large])
    func `A byte that was changed on the way is noticed before anything is stored`(clip: String) async throws {
        try await Shop.with { shop in
            let size = try #require(shop.drive.items.first { $0.name == clip }?.size)
            shop.drive.script(Fault(.flip(at: size * 3 / 4), times: Fault.always))
            let prefix = "flipped-\(UUID().uuidString)"
            let result = try await Program.run(
                Program.reelway,
                ["transcode", "onedrive:\(shop.drive.itemID(for: clip))", "s3://shop/\(prefix)/result.mp4"],
                environment: shop.environment)
            #expect(result.status == 65, "\(result.errors)")
            #expect(result.errors.contains("reelway: source_"), "\(result.errors)")
            #expect(try await shop.objects(of: prefix).isEmpty)
            #expect(try await shop.openUploads(of: prefix) == 0)
        }
    }

    /// A pipe's is the container's fault; here it is the server that could mend it.
    @Test func `A server that sends no parts is told of where the video's index lies behind its media`() async throws {
        var sandbox = SandboxOptions()
        sandbox.supportsRanges = false
        try await Shop.with(["REELWAY_DOWNLOAD_WINDOW_MIB": "2"], sandbox: sandbox) { shop in
            let folder = try TestFolder()
            func transcode(_ clip: String) async throws -> Program.Result {
                try await Program.run(
                    Program.reelway,
                    ["transcode", "onedrive:\(shop.drive.itemID(for: clip))", "\(folder.path)/\(clip)"],
                    environment: shop.environment)
            }
            let behind = try await transcode(Clips.indexBehind)
            #expect(behind.status == 69)
            #expect(behind.errors.contains("reelway: source_unavailable: "), "\(behind.errors)")
            #expect(behind.errors.contains("ranges"))
            let first = try await transcode(Clips.large)
            #expect(first.status == 0, "\(first.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [Clips.large])
        }
    }

    @Test func `An object that is there is refused before a byte is read, unless it may be overwritten`() async throws {
        try await Shop.with { shop in
            let prefix = "there-\(UUID().uuidString)"
            let key = "\(prefix)/result.mp4"
            try await JobThread.run(named: "put") {
                try shop.store.upload(key: key, onEvent: { _ in }).finish(head: [1, 2, 3])
            }
            let arguments = ["transcode", "onedrive:\(shop.drive.itemID(for: Clips.small))", "s3://shop/\(key)"]
            let refused = try await Program.run(Program.reelway, arguments, environment: shop.environment)
            #expect(refused.status == 73)
            #expect(refused.errors.hasPrefix("reelway: output_exists: "))
            #expect(shop.drive.requests.isEmpty)
            let allowed = try await Program.run(
                Program.reelway, arguments + ["--overwrite"], environment: shop.environment)
            #expect(allowed.status == 0, "\(allowed.errors)")
            #expect(try await shop.fetch(shop.store.publicURL(key: key)).count > 100_000)
        }
    }

    @Test func `Ctrl-C in the middle ends within a second and leaves nothing in the store`() async throws {
        try await Shop.with { shop in
            shop.drive.setBandwidth(total: 3e6)
            let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
            let prefix = "interrupted-\(UUID().uuidString)"
            let program = try Program(
                Program.reelway,
                ["transcode", "onedrive:\(shop.drive.itemID(for: Clips.large))", "s3://shop/\(prefix)/result.mp4"],
                environment: shop.environment.merging(["S3_ENDPOINT": proxy.url]) { $1 })
            let deadline = ContinuousClock.now + .seconds(30)
            while !proxy.requests.contains(where: { $0.subject == "UploadPart 2" }) {
                try #require(ContinuousClock.now < deadline, "\(program.errors)")
                try await Task.sleep(for: .milliseconds(50))
            }
            let start = ContinuousClock.now
            program.signal(SIGINT)
            let result = try await program.end(within: 20)
            #expect(start.duration(to: .now) < .seconds(1))
            #expect(result.status == 130)
            #expect(try await shop.objects(of: prefix).isEmpty)
            #expect(try await shop.openUploads(of: prefix) == 0)
            await proxy.stop()
        }
    }
}
