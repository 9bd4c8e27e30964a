/// Puts blocks of sound where their times say on the output's count of samples, and hands the encoder whole packets.
///
/// Real gaps are filled with silence and real overlaps cut. Phones jitter the times of sound that is continuous: a
/// small deviation is averaged, and only what stays is taken out, by a resampler that runs a hair faster or slower.
final class SampleGrid {
    private let encoder: AudioEncoder
    private var pending: [[Float]]
    /// Samples placed so far, counted from second 0.
    private var placed: Int64 = 0
    /// Samples in front of the first that is encoded: the encoder's warm-up takes their place.
    private var encoded = Int64(AudioEncoder.packetSamples)
    private var deviation = 0.0
    private var correctedUntil: Int64 = 0

    /// Seconds beyond which a deviation is a gap rather than jitter.
    private static let gap = 0.08
    /// Mean deviation in seconds that is taken out: half of what the contract allows between sound and picture.
    private static let tolerated = 0.0025
    /// Over how many seconds the deviation is averaged.
    private static let averaging = 0.5

    init(_ encoder: AudioEncoder) {
        self.encoder = encoder
        pending = Array(repeating: [], count: encoder.channels)
    }

    /// Places a block that is heard from `time` on.
    ///
    /// - Returns: by how many samples the resampler should stretch what comes next.
    func put(_ planes: [ArraySlice<Float>], at time: Double, _ body: (Packet) throws -> Void) throws -> Int {
        guard let count = planes.first?.count else { return 0 }
        let rate = Double(encoder.sampleRate)
        let exact = time * rate - Double(placed)
        guard abs(exact) < rate * 86_400 else { return 0 }
        if placed == 0 || abs(exact) > SampleGrid.gap * rate {
            deviation = 0
            if exact >= 1 { try silence(Int64(exact.rounded()), body) }
            let cut = min(count, max(0, Int((-exact).rounded())))
            try append(planes.map { $0.dropFirst(cut) }, body)
            return 0
        }
        deviation += (exact / rate - deviation) * min(1, Double(count) / rate / SampleGrid.averaging)
        try append(planes, body)
        guard abs(deviation) > SampleGrid.tolerated, placed >= correctedUntil else { return 0 }
        correctedUntil = placed + Int64(rate)
        return Int((deviation * rate).rounded())
    }

    /// Ends the sound at `end`: cut, or filled with silence.
    func finish(at end: Double, _ body: (Packet) throws -> Void) throws {
        let total = Int64((end * Double(encoder.sampleRate)).rounded())
        if placed < total { try silence(total - placed, body) }
        let rest = Int(max(0, min(total - encoded, Int64(pending[0].count))))
        for start in stride(from: 0, to: rest, by: AudioEncoder.packetSamples) {
            let range = start..<min(rest, start + AudioEncoder.packetSamples)
            try encoder.encode(pending.map { $0[range] }, position: encoded + Int64(start), body)
        }
        pending = pending.map { _ in [] }
        try encoder.finish(body)
    }

    /// Sound that outlasts the picture is known only at the end: this much is kept back.
    private var keptBack: Int { encoder.sampleRate }

    private func silence(_ count: Int64, _ body: (Packet) throws -> Void) throws {
        var left = count
        while left > 0 {
            let step = Int(min(left, 1 << 16))
            let zeros = [Float](repeating: 0, count: step)[...]
            try append(Array(repeating: zeros, count: pending.count), body)
            left -= Int64(step)
        }
    }

    private func append(_ planes: [ArraySlice<Float>], _ body: (Packet) throws -> Void) throws {
        guard let count = planes.first?.count, count > 0 else { return }
        // The warm-up's share of the front is left out.
        let skipped = Int(min(Int64(count), max(0, Int64(AudioEncoder.packetSamples) - placed)))
        for channel in pending.indices { pending[channel] += planes[channel].dropFirst(skipped) }
        placed += Int64(count)
        let whole = (pending[0].count - keptBack) / AudioEncoder.packetSamples
        guard whole > 0 else { return }
        for packet in 0..<whole {
            let start = packet * AudioEncoder.packetSamples
            let range = start..<(start + AudioEncoder.packetSamples)
            try encoder.encode(pending.map { $0[range] }, position: encoded, body)
            encoded += Int64(AudioEncoder.packetSamples)
        }
        for channel in pending.indices { pending[channel].removeFirst(whole * AudioEncoder.packetSamples) }
    }
}
