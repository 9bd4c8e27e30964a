import Foundation
import Testing

@testable import Media

/// Needs a process of its own: other tests' memory would count too.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["REELWAY_LEAKS"] == "1", "only with REELWAY_LEAKS=1"))
struct LeakTests {
    @Test func `200 transcodes in one process leave the memory flat`() throws {
        let names = [
            "sync-30fps.mp4", "copy-stereo-128k.mp4", "audio-5.1.mp4", "bad-damaged-30-percent.mp4", "hdr-hlg.mp4",
        ]
        var after: [Int: Int] = [:]
        for round in 1...200 {
            _ = try Engine.run(MemorySource(fixture: names[round % names.count]))
            after[round] = try resident()
        }
        let (early, late) = (after[60] ?? 0, after[200] ?? 0)
        print("memory: \(early >> 10) KiB after 60, \(late >> 10) KiB after 200 transcodes")
        #expect(late - early < 8 << 20)
    }

    private func resident() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }
}
