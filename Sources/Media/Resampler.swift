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
    func convert(_ frame: Frame) throws -> [Block] {
        var blocks: [Block] = []
        let raw = frame.pointer.pointee
        guard raw.nb_samples > 0, raw.sample_rate > 0, raw.ch_layout.nb_channels > 0 else { return [] }
        let mask = raw.ch_layout.order == AV_CHANNEL_ORDER_NATIVE ? raw.ch_layout.u.mask : 0
        let changed = input.map { $0 != (raw.format, raw.sample_rate, raw.ch_layout.nb_channels) || mask != inputMask }
        if changed != false {
            if let rest = try finish() { blocks.append(rest) }
            try configure(for: frame)
            inputMask = mask
        }
        let pending = Double(swr_get_delay(context, Int64(sampleRate))) / Double(sampleRate)
        let planes = try run(frame.pointer.pointee.extended_data, raw.nb_samples)
        if let count = planes.first?.count, count > 0 {
            blocks.append(Block(time: frame.time - pending, planes: planes))
        }
        lastEnd = frame.time + Double(raw.nb_samples) / Double(raw.sample_rate)
        return blocks
    }

    /// What is still inside, at the end of the sound.
    func finish() throws -> Block? {
        guard context != nil else { return nil }
        let pending = Double(swr_get_delay(context, Int64(sampleRate))) / Double(sampleRate)
        let planes = try run(nil, 0)
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
        let result = swr_alloc_set_opts2(
            &context, &layout, AV_SAMPLE_FMT_FLTP, Int32(sampleRate), &source, AVSampleFormat(raw.format),
            raw.sample_rate, 0, nil)
        // A downmix must not clip: the sum of what goes into one channel is at most 1.
        if result >= 0 { av_opt_set_double(UnsafeMutableRawPointer(context), "rematrix_maxval", 1, 0) }
        guard result >= 0, swr_init(context) >= 0 else {
            throw MediaError(
                .sourceCorrupt,
                "sound with \(raw.ch_layout.nb_channels) channels at \(raw.sample_rate) Hz can't be converted")
        }
        input = (raw.format, raw.sample_rate, raw.ch_layout.nb_channels)
    }

    private func run(_ data: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?, _ count: Int32) throws -> [[Float]] {
        let room = Int(max(0, swr_get_out_samples(context, count)))
        guard room > 0 else { return [] }
        var planes = Array(repeating: [Float](repeating: 0, count: room), count: channels)
        let written = withPlanes(&planes) { pointers -> Int32 in
            let source = data.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: UnsafePointer<UInt8>?.self) }
            return swr_convert(context, pointers, Int32(room), source, count)
        }
        guard written >= 0 else { throw MediaError(.internal, "resampling failed: \(LibavLog.describe(written))") }
        for channel in planes.indices { planes[channel].removeLast(room - Int(written)) }
        return planes
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
