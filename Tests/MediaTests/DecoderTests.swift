import Foundation
import Testing

@testable import Media

@Suite("Decoders")
struct DecoderTests {
    @Test("Packets without bytes are gaps, not damage", arguments: [false, true])
    func empty(forceEncode: Bool) throws {
        var bytes = try Fixture.bytes("sync-30fps.mp4")
        let sound = try #require(bytes.index(of: "soun"))
        let sizes = try #require(bytes.index(of: "stsz", from: sound)) + 16
        // 4 of 189: more than may be damaged.
        for packet in [10, 55, 61, 100] {
            bytes.replaceSubrange((sizes + 4 * packet)..<(sizes + 4 * packet + 4), with: [0, 0, 0, 0])
        }
        let outcome = try Engine.transcode(path: Engine.store(bytes, as: "empty.mp4"), forceEncode: forceEncode)
        try expectConforming(outcome)
        #expect(outcome.audio?.action == "encode")
        #expect(outcome.report?.warnings == [])
        for event in try SyncMeter(outcome.path).events { #expect(abs(event.offset) <= 0.005, "\(event)") }
    }
}
