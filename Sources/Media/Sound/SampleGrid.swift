/// Puts blocks of sound where their times say on the output's count of samples, and hands the encoder whole packets.
///
/// Real gaps are filled with silence and real overlaps cut, where they are: times that jump and then run on evenly are
/// believed. Phones jitter the times of sound that is continuous, or write them in batches: such a deviation is averaged,
/// and only what stays is taken out, by a resampler that runs a little faster or slower for a moment.
final class SampleGrid {
    private let encoder: AudioEncoder
    private let isCancelled: () -> Bool
    private var pending: [[Float]]
    /// Samples placed so far, counted from second 0.
    private var placed: Int64 = 0
    /// Samples in front of the first that is encoded: the encoder's warm-up takes their place.
    private var encoded = Int64(AudioEncoder.packetSamples)
    /// Mean deviation in samples, as it will be once the resampler has carried out its last correction.
    private var deviation = 0.0
    /// The last correction, in samples, and where it will have been carried out.
    private var correction = 0
    private var correctedAt: Int64 = 0
    /// The stretch up to `placed` in which no time jumps.
    private var run = Run(start: 0, followsJump: false)
    /// Where the last stretch that was long enough to be believed ended.
    private var settled: Int64 = 0

    private struct Run {
        var start: Int64
        /// What came before it has other times.
        var followsJump: Bool
        /// The last deviation, and the sum of all, weighted by the samples that have it.
        var last = 0.0
        var sum = 0.0
        var samples = 0.0
    }

    /// Seconds over which the resampler spreads a correction.
    static let stretch = 0.5
    /// By how much it may run faster or slower: a third of a semitone.
    private static let change = 0.02
    /// Seconds beyond which a deviation is a gap at once, whatever comes next.
    private static let gap = 0.08
    /// Seconds by which times have to jump from one block to the next for a gap or an overlap. Packets of sound last
    /// longer, and containers that count milliseconds stay below.
    private static let jump = 0.008
    /// Seconds for which times have to run on evenly behind a jump to be believed. Shorter than what is kept back.
    private static let even = 0.5
    /// The same for what the end cuts short.
    private static let evenAtEnd = 0.1
    /// Seconds after which times that never run on evenly are taken as they come.
    private static let patience = 1.0
    /// Mean deviation in seconds that is taken out: half of what the contract allows between sound and picture.
    private static let tolerated = 0.0025
    /// Over how many seconds the deviation is averaged.
    private static let averaging = 0.5

    init(_ encoder: AudioEncoder, isCancelled: @escaping () -> Bool) {
        self.encoder = encoder
        self.isCancelled = isCancelled
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
            run = Run(start: placed, followsJump: false)
            settled = placed
            let cut = min(count, max(0, Int((-exact).rounded())))
            append(planes.map { $0.dropFirst(cut) })
            try encodeWhole(body)
            return 0
        }
        // Samples that the resampler has yet to add or drop.
        let owed = Double(correction) * max(0, Double(correctedAt - placed) / (SampleGrid.stretch * rate))
        follow(exact - owed, count)
        append(planes)
        if placed - run.start >= Int64(SampleGrid.even * rate) { settle() }
        try encodeWhole(body)
        guard abs(deviation) > SampleGrid.tolerated * rate, placed >= correctedAt, !waits else { return 0 }
        let most = SampleGrid.change * SampleGrid.stretch * rate
        correction = Int(max(-most, min(deviation, most)).rounded())
        correctedAt = placed + Int64(SampleGrid.stretch * rate)
        deviation -= Double(correction)
        return correction
    }

    /// A jump has come, of which the next blocks will tell whether it is real.
    private var waits: Bool {
        run.followsJump && placed - settled < Int64(SampleGrid.patience * Double(encoder.sampleRate))
    }

    private func follow(_ exact: Double, _ count: Int) {
        let rate = Double(encoder.sampleRate)
        if abs(exact - run.last) > SampleGrid.jump * rate { run = Run(start: placed, followsJump: true) }
        run.last = exact
        run.sum += exact * Double(count)
        run.samples += Double(count)
        deviation += (exact - deviation) * min(1, Double(count) / rate / SampleGrid.averaging)
    }

    /// Believes the times since the last jump: what is too much or too little there goes or comes where it is.
    private func settle() {
        settled = placed
        guard run.followsJump, run.samples > 0 else { return }
        run.followsJump = false
        let shift = Int((run.sum / run.samples).rounded())
        guard abs(shift) > Int(SampleGrid.tolerated * Double(encoder.sampleRate)) else { return }
        let start = max(0, pending[0].count - Int(placed - run.start))
        let end = min(pending[0].count, start + max(0, -shift))
        let silence = repeatElement(Float(0), count: max(0, shift))
        for channel in pending.indices { pending[channel].replaceSubrange(start..<end, with: silence) }
        placed += Int64(silence.count - (end - start))
        run.last -= Double(shift)
        deviation = 0
    }

    /// Ends the sound at `end`: cut, or filled with silence.
    func finish(at end: Double, _ body: (Packet) throws -> Void) throws {
        if waits, placed - run.start >= Int64(SampleGrid.evenAtEnd * Double(encoder.sampleRate)) { settle() }
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

    /// Sound that outlasts the picture is known only at the end, and a jump only behind it: this much is kept back.
    private var keptBack: Int { encoder.sampleRate }

    private func silence(_ count: Int64, _ body: (Packet) throws -> Void) throws {
        var left = count
        while left > 0 {
            // Minutes of it can be laid between two packets of the source.
            if isCancelled() { throw MediaError.cancelled }
            let step = Int(min(left, 1 << 16))
            let zeros = [Float](repeating: 0, count: step)[...]
            append(Array(repeating: zeros, count: pending.count))
            try encodeWhole(body)
            left -= Int64(step)
        }
    }

    private func append(_ planes: [ArraySlice<Float>]) {
        guard let count = planes.first?.count, count > 0 else { return }
        // The warm-up's share of the front is left out.
        let skipped = Int(min(Int64(count), max(0, Int64(AudioEncoder.packetSamples) - placed)))
        for channel in pending.indices { pending[channel] += planes[channel].dropFirst(skipped) }
        placed += Int64(count)
    }

    private func encodeWhole(_ body: (Packet) throws -> Void) throws {
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
