import CFFmpeg
import Foundation
import Testing

@testable import Media

struct DecoderTests {
    @Test(arguments: [false, true])
    func `packets without bytes are gaps, not damage`(forceEncode: Bool) throws {
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

    @Test(arguments: [1, 3])
    func `a packet counts as damaged once, however many signs of it there are`(threads: Int) throws {
        let source = try FileSource(path: Fixture.path("copy-video-alone.mp4"))
        let demuxer = try Demuxer(source, isCheckedMovie: true, ignoringEditLists: false, isCancelled: { false })
        let stream = try #require(demuxer.streams.first { $0.kind == .video })
        let decoder = try Decoder(stream, threads: threads)
        var concealed = 0
        func look(_ frame: Frame) { if frame.isDamaged { concealed += 1 } }
        while let packet = try demuxer.next() {
            guard packet.streamIndex == stream.index else { continue }
            // Its end is spoilt, and the container knows.
            if decoder.packets == 30 {
                let bytes = UnsafeMutableBufferPointer(start: packet.pointer.pointee.data, count: packet.size)
                for index in (bytes.count * 2 / 3)..<bytes.count { bytes[index] = 0xAA }
                packet.pointer.pointee.flags |= AV_PKT_FLAG_CORRUPT
            }
            try decoder.decode(packet, look)
        }
        try decoder.finish(look)
        #expect(concealed == 1)
        #expect(decoder.damaged == 1 && decoder.packets == 120)
    }
}
