import Foundation
import LoopbackHTTP
import Testing

struct ProgramTests {
    private struct Ready: Decodable {
        struct Item: Decodable {
            let name: String
            let id: String
        }
        let graphURL: String
        let accessToken: String
        let items: [Item]
    }

    @Test(
        .disabled(if: ProcessInfo.processInfo.environment["REELWAY_TEST_SANITIZER"] != nil, "it keeps what was freed"))
    func `the program serves a large file in little memory until SIGTERM`() async throws {
        try await TemporaryFolder.with { folder in
            try FileManager.default.createDirectory(atPath: folder + "/videos", withIntermediateDirectories: true)
            #expect(FileManager.default.createFile(atPath: folder + "/videos/big.mp4", contents: nil))
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: folder + "/videos/big.mp4"))
            try file.truncate(atOffset: 300_000_000)
            try file.close()

            let process = Process()
            process.executableURL = try Program.beside("onedrive-sandbox")
            process.arguments = [
                "--folder", folder + "/videos", "--ready-file", folder + "/ready", "--requests-file",
                folder + "/requests",
            ]
            let output = Pipe()
            process.standardOutput = output
            let exit = AsyncStream<Int32>.makeStream()
            process.terminationHandler = { exit.continuation.yield($0.terminationStatus) }
            try process.run()
            defer { process.terminate() }
            for _ in 0..<200 where !FileManager.default.fileExists(atPath: folder + "/ready") {
                try await Task.sleep(for: .milliseconds(50))
            }
            let ready = try JSONDecoder().decode(
                Ready.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/ready")))
            let item = try #require(ready.items.first)
            #expect(item.name == "big.mp4")
            let answer = try await Curl.run(
                "\(ready.graphURL)/me/drive/items/\(item.id)/content", "-L", "-H",
                "Authorization: Bearer \(ready.accessToken)")
            #expect(answer.status == 200)
            #expect(answer.body.count == 300_000_000)
            let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
            let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            let kilobytes = try #require(peak?.split(separator: " ").dropFirst().first.flatMap { Int($0) })
            #expect(kilobytes < 100_000)

            process.terminate()
            var ending = exit.stream.makeAsyncIterator()
            #expect(await ending.next() == 0)
            let printed = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            #expect(printed.contains("ONEDRIVE_GRAPH_URL='\(ready.graphURL)'"))
            let lines = try String(contentsOfFile: folder + "/requests", encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 2 && lines.last?.contains("\"bytesSent\":300000000") == true)
        }
    }
}
