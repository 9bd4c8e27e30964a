import Foundation
import Postgres
import Testing

@testable import reelway

extension ChaosTests {
    struct FullDiskTests {
        @Test func `A worker whose folder is full says so, leaves nothing there, and does the next video that fits`()
            async throws
        {
            try await TinyDisk.with(bytes: 6 << 20) { disk in
                try await Shop.with(["S3_ENDPOINT": "", "S3_ACCESS_KEY_ID": "", "S3_SECRET_ACCESS_KEY": ""]) { shop in
                    let worker = try shop.worker(["STORAGE_DIR": disk.path])
                    let id = try await shop.insert(Clips.large)
                    let row = try await shop.wait(id) { $0["social_ready_status"] == "failed" }
                    let error = row["social_ready_error"] as String? ?? ""
                    #expect(error.hasPrefix("storage_rejected: ") && error.contains("No space left"), "\(error)")
                    #expect(row["social_ready_attempts"] == "1")
                    try await shop.sweep()
                    #expect(disk.content.isEmpty, "\(disk.content)")
                    #expect(disk.usedBytes < 64 << 10)
                    let next = try await shop.insert(Clips.foreign)
                    try await shop.ready(next)
                    #expect(disk.content.filter { $0.hasSuffix(".mp4") }.count == 1)
                    worker.signal(SIGTERM)
                    #expect(try await worker.end(within: 20).status == 0)
                }
            }
        }

        @Test func `transcode onto a full disk ends with 73 and one line, and leaves nothing`() async throws {
            try await TinyDisk.with(bytes: 6 << 20) { disk in
                let result = try await Program.run(
                    Program.reelway,
                    [
                        "transcode", "--progress", "none", try Clips.folder() + "/" + Clips.large,
                        disk.path + "/out.mp4",
                    ],
                    environment: [:])
                #expect(result.status == 73)
                #expect(result.errors.hasPrefix("reelway: storage_rejected: "), "\(result.errors)")
                #expect(result.errors.contains("make room"))
                #expect(result.errors.split(separator: "\n").count == 1)
                #expect(disk.content.isEmpty, "\(disk.content)")
                #expect(disk.usedBytes < 64 << 10)
            }
        }
    }
}
