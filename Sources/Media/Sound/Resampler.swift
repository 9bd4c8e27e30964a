internal import CFFmpeg

/// Brings decoded sound to one sample rate, mono or stereo, as planar floats.
final class Resampler {
    private var context: OpaquePointer?
    private var layout = AVChannelLayout()
    private var input: (format: Int32, rate: Int32, channels: Int32)?
    private var inputMask: UInt64 = 0
    /// When the sound that was taken in ends, on the source's clock.
    private var lastEnd = 0.0
    let sampleRate: Int
    let channels: Int

    /// Rates that sound is recorded at. Others come of damage, and would make hours of a few bytes.
    static let sourceRates = 4000...768_000
    /// Samples that come of one step at most, but for what the filter still holds.
    private static let longestBlock = 1 << 16

    /// Resampled sound and when its first sample is heard on the source's clock.
    struct Block {
        let time: Double
        var planes: [[Float]]
    }

    init(sampleRate: Int, channels: Int) {
        self.sampleRate = sampleRate
        self.channels = channels
        av_channel_layout_default(&layout, Int32(channels))
    }

    deinit {
        swr_free(&context)
        av_channel_layout_uninit(&layout)
    }

    /// Converts one frame. What the filter still needs to see stays inside for the next call.
    ///
    /// - Parameter body: gets what has been converted, a long frame in several blocks.
    func convert(_ frame: Frame, _ body: (Block) throws -> Void) throws {
        let raw = frame.pointer.pointee
        guard raw.nb_samples > 0, raw.sample_rate > 0, raw.ch_layout.nb_channels > 0 else { return }
        let mask = raw.ch_layout.order == AV_CHANNEL_ORDER_NATIVE ? raw.ch_layout.u.mask : 0
        let changed = input.map { $0 != (raw.format, raw.sample_rate, raw.ch_layout.nb_channels) || mask != inputMask }
        if changed != false {
            if let rest = try finish() { try body(rest) }
            try configure(for: frame)
            inputMask = mask
        }
        let (count, rate) = (Int(raw.nb_samples), Int(raw.sample_rate))
        let most = max(1, Resampler.longestBlock * rate / sampleRate)
        for start in stride(from: 0, to: count, by: most) {
            let time = frame.time + Double(start) / Double(rate)
            let pending = Double(swr_get_delay(context, Int64(sampleRate))) / Double(sampleRate)
            var data = Resampler.samples(of: raw, from: start)
            let planes = try run(&data, min(most, count - start))
            lastEnd = frame.time + Double(min(count, start + most)) / Double(rate)
            if planes.first?.isEmpty == false { try body(Block(time: time - pending, planes: planes)) }
        }
    }

    /// Where a frame's planes, or all its channels in one, hold a sample.
    private static func samples(of raw: AVFrame, from start: Int) -> [UnsafePointer<UInt8>?] {
        let format = AVSampleFormat(raw.format)
        let channels = Int(raw.ch_layout.nb_channels)
        let isPlanar = av_sample_fmt_is_planar(format) != 0
        let bytes = start * Int(av_get_bytes_per_sample(format)) * (isPlanar ? 1 : channels)
        return (0..<(isPlanar ? channels : 1)).map { plane in
            raw.extended_data[plane].map { UnsafePointer($0 + bytes) }
        }
    }

    /// What is still inside, at the end of the sound.
    func finish() throws -> Block? {
        guard context != nil else { return nil }
        let pending = Double(swr_get_delay(context, Int64(sampleRate))) / Double(sampleRate)
        var nothing: [UnsafePointer<UInt8>?] = []
        let planes = try run(&nothing, 0)
        swr_free(&context)
        input = nil
        guard let count = planes.first?.count, count > 0 else { return nil }
        return Block(time: lastEnd - pending, planes: planes)
    }

    /// Adds (or drops, if negative) `samples` over the next `distance` samples, by running slower or faster.
    func compensate(_ samples: Int, over distance: Int) {
        guard context != nil else { return }
        swr_set_compensation(context, Int32(clamping: samples), Int32(clamping: distance))
    }

    private func configure(for frame: Frame) throws {
        let raw = frame.pointer.pointee
        var source = raw.ch_layout
        var guessed = AVChannelLayout()
        defer { av_channel_layout_uninit(&guessed) }
        // A layout the container leaves open is the usual one for that many channels.
        if source.order == AV_CHANNEL_ORDER_UNSPEC {
            av_channel_layout_default(&guessed, source.nb_channels)
            source = guessed
        }
        let isRateUsable = Resampler.sourceRates.contains(Int(raw.sample_rate))
        guard isRateUsable, open(&source, raw) || open(&source, raw, mixing: matrix(for: source)) else {
            throw MediaError(
                .sourceCorrupt,
                "sound with \(raw.ch_layout.nb_channels) channels at \(raw.sample_rate) Hz can't be converted")
        }
        input = (raw.format, raw.sample_rate, raw.ch_layout.nb_channels)
    }

    /// - Parameter matrix: the share of each input channel in each output channel, one output after the other; `nil`:
    ///   as libswresample mixes that layout, which it can't for all.
    private func open(_ source: inout AVChannelLayout, _ raw: AVFrame, mixing matrix: [Double]? = nil) -> Bool {
        swr_free(&context)
        let result = swr_alloc_set_opts2(
            &context, &layout, AV_SAMPLE_FMT_FLTP, Int32(sampleRate), &source, AVSampleFormat(raw.format),
            raw.sample_rate, 0, nil)
        guard result >= 0 else { return false }
        // A downmix must not clip: the sum of what goes into one channel is at most 1.
        av_opt_set_double(UnsafeMutableRawPointer(context), "rematrix_maxval", 1, 0)
        if let matrix, swr_set_matrix(context, matrix, source.nb_channels) < 0 { return false }
        return swr_init(context) >= 0
    }

    /// Shares for a layout that libswresample knows no mix of; they add up to 1, so that nothing clips.
    ///
    /// An ambisonic sound's first channel is all that is heard from every side; the others tell only where it comes from.
    /// A stereo pair that may lie behind them, which isn't to turn with the listener, is added. Channels without a place
    /// are taken for pairs of left and right, as recorders write them, so that none is lost.
    private func matrix(for source: AVChannelLayout) -> [Double] {
        let count = Int(source.nb_channels)
        let isAmbisonic = source.order == AV_CHANNEL_ORDER_AMBISONIC
        let stereo: UInt64 = 0b11
        let firstPair = !isAmbisonic ? 0 : source.u.mask == stereo ? count - 2 : count
        return (0..<channels).flatMap { output in
            var heard = Array(stride(from: firstPair + output, to: count, by: channels))
            if isAmbisonic || heard.isEmpty { heard.append(0) }
            return (0..<count).map { heard.contains($0) ? 1 / Double(heard.count) : 0 }
        }
    }

    /// - Parameter data: `count` samples; empty at the end.
    private func run(_ data: inout [UnsafePointer<UInt8>?], _ count: Int) throws -> [[Float]] {
        let room = Int(try checked(swr_get_out_samples(context, Int32(count))))
        guard room > 0 else { return [] }
        var planes = Array(repeating: [Float](repeating: 0, count: room), count: channels)
        let written = withPlanes(&planes) { pointers -> Int32 in
            data.withUnsafeMutableBufferPointer {
                swr_convert(context, pointers, Int32(room), $0.isEmpty ? nil : $0.baseAddress, Int32(count))
            }
        }
        let kept = Int(try checked(written))
        for channel in planes.indices { planes[channel].removeLast(room - kept) }
        return planes
    }

    /// A count of samples, or what it means that there is none: what goes in is all that can be wrong.
    private func checked(_ result: Int32) throws -> Int32 {
        if result == REELWAY_ENOMEM { throw MediaError.outOfMemory }
        guard result >= 0 else { throw MediaError(.sourceCorrupt, "the sound can't be resampled", libav: result) }
        return result
    }

    /// Pointers to at most two planes, valid during `body`.
    private func withPlanes<R>(
        _ planes: inout [[Float]], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) throws -> R
    ) rethrows -> R {
        func bytes(_ buffer: UnsafeMutableBufferPointer<Float>) -> UnsafeMutablePointer<UInt8>? {
            UnsafeMutableRawPointer(buffer.baseAddress)?.assumingMemoryBound(to: UInt8.self)
        }
        var second = planes.count > 1 ? planes.removeLast() : []
        defer { if !second.isEmpty { planes.append(second) } }
        return try planes[0].withUnsafeMutableBufferPointer { left in
            try second.withUnsafeMutableBufferPointer { right in
                var pointers = [bytes(left), right.isEmpty ? nil : bytes(right)]
                return try pointers.withUnsafeMutableBufferPointer { try body($0.baseAddress) }
            }
        }
    }
}
