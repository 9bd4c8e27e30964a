import CFFmpeg
import Foundation
import Testing

@testable import Media

struct ResamplerTests {
    /// A tone of 100 Hz, in one frame.
    private static func tone(rate: Int32, samples: Int, format: AVSampleFormat, channels: Int32) throws -> Frame {
        let frame = try Frame()
        frame.pointer.pointee.sample_rate = rate
        frame.pointer.pointee.nb_samples = Int32(samples)
        frame.pointer.pointee.format = format.rawValue
        av_channel_layout_default(&frame.pointer.pointee.ch_layout, channels)
        try #require(av_frame_get_buffer(frame.pointer, 0) >= 0)
        let isPlanar = format == AV_SAMPLE_FMT_FLTP
        for plane in 0..<(isPlanar ? Int(channels) : 1) {
            let step = isPlanar ? 1 : Int(channels)
            let data = try #require(frame.pointer.pointee.extended_data[plane])
            data.withMemoryRebound(to: Float.self, capacity: samples * step) { values in
                for index in 0..<samples * step {
                    values[index] = Float(sin(2 * .pi * 100 * Double(index / step) / Double(rate))) / 2
                }
            }
        }
        return frame
    }

    @Test(
        arguments: [4000, 48000, 768_000] as [Int32],
        [(AV_SAMPLE_FMT_FLT, 2), (AV_SAMPLE_FMT_FLTP, 2), (AV_SAMPLE_FMT_FLTP, 8)] as [(AVSampleFormat, Int32)])
    func `however long a frame is, its sound comes in short blocks that join`(
        rate: Int32, form: (format: AVSampleFormat, channels: Int32)
    ) throws {
        let resampler = Resampler(sampleRate: 48000, channels: 1)
        let frame = try Self.tone(
            rate: rate, samples: Int(rate) * 5, format: form.format, channels: form.channels)
        frame.time = 7
        var blocks: [Resampler.Block] = []
        try resampler.convert(frame) { blocks.append($0) }
        if let rest = try resampler.finish() { blocks.append(rest) }
        #expect(blocks.count >= 4)
        #expect(blocks.allSatisfy { $0.planes[0].count <= 1 << 16 + 1024 })
        var samples: [Float] = []
        for block in blocks {
            #expect(abs(block.time - (7 + Double(samples.count) / 48000)) < 1e-4)
            samples += block.planes[0]
        }
        #expect(abs(samples.count - 240_000) <= 16)
        // A tone bends evenly; a seam in it would be a corner. Its own start and end are such.
        let inner = samples.dropFirst(2000).dropLast(2000)
        let bends = zip(inner, zip(inner.dropFirst(), inner.dropFirst(2))).map { abs($0 - 2 * $1.0 + $1.1) }
        #expect((bends.max() ?? 1) < 0.001)
        #expect((inner.max() ?? 0) > 0.05)
    }

    @Test(arguments: [1, 8, 3999, 768_001] as [Int32])
    func `a rate that no sound has is the source's fault`(rate: Int32) throws {
        let resampler = Resampler(sampleRate: 48000, channels: 1)
        let frame = try Self.tone(rate: rate, samples: 1000, format: AV_SAMPLE_FMT_FLT, channels: 1)
        let error = #expect(throws: MediaError.self) { try resampler.convert(frame) { _ in } }
        #expect(error?.code == .sourceCorrupt)
    }

    /// Frames of one value for each channel, 0.1, 0.2 …, and what becomes of them on each side.
    private static func mix(
        channels: Int32, to outputs: Int, _ setLayout: (inout AVChannelLayout) -> Void
    ) throws -> [Float] {
        let resampler = Resampler(sampleRate: 48000, channels: outputs)
        let frame = try tone(rate: 48000, samples: 1000, format: AV_SAMPLE_FMT_FLTP, channels: channels)
        for channel in 0..<Int(channels) {
            let data = try #require(frame.pointer.pointee.extended_data[channel])
            data.withMemoryRebound(to: Float.self, capacity: 1000) { values in
                for index in 0..<1000 { values[index] = Float(channel + 1) / 10 }
            }
        }
        setLayout(&frame.pointer.pointee.ch_layout)
        var sides: [Float] = []
        try resampler.convert(frame) { block in if sides.isEmpty { sides = block.planes.map { $0[$0.count / 2] } } }
        return sides
    }

    private static func expectSides(_ sides: [Float], _ expected: [Float]) {
        #expect(sides.count == expected.count && zip(sides, expected).allSatisfy { abs($0 - $1) < 1e-4 }, "\(sides)")
    }

    @Test func `ambisonic sound is its first channel, and the stereo pair that lies behind the sphere`() throws {
        for (channels, mask, expected) in [(4, 0, [0.1, 0.1]), (9, 0, [0.1, 0.1]), (6, 3, [0.3, 0.35])]
            as [(Int32, UInt64, [Float])]
        {
            let sides = try Self.mix(channels: channels, to: 2) {
                $0.order = AV_CHANNEL_ORDER_AMBISONIC
                $0.u.mask = mask
            }
            Self.expectSides(sides, expected)
        }
    }

    @Test func `channels without a place, and places that no front belongs to, are mixed in pairs`() throws {
        for (channels, outputs, expected) in [
            (9, 2, [0.5, 0.5]), (10, 2, [0.5, 0.6]), (11, 1, [0.6]), (64, 2, [3.2, 3.3]),
        ] as [(Int32, Int, [Float])] {
            let sides = try Self.mix(channels: channels, to: outputs) {
                $0.order = AV_CHANNEL_ORDER_UNSPEC
                $0.u.mask = 0
            }
            Self.expectSides(sides, expected)
        }
        // Back left and right alone.
        let sides = try Self.mix(channels: 2, to: 2) {
            $0.order = AV_CHANNEL_ORDER_NATIVE
            $0.u.mask = 0x30
        }
        Self.expectSides(sides, [0.1, 0.2])
    }
}
