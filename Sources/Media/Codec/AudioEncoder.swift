internal import CFFmpeg

/// AAC-LC by libavcodec's own encoder, without priming in the file.
///
/// AAC decodes to 1,024 samples of warm-up before the first real one, which an edit list usually hides. Here the
/// first 1,024 samples of the sound are left out instead, so that sample n of the file is sample n of the source:
/// in sync to the sample without an edit list, which Instagram's specification forbids.
final class AudioEncoder {
    private var context: UnsafeMutablePointer<AVCodecContext>?
    private let timeBase: Rational
    let sampleRate: Int
    let channels: Int

    /// Samples in a packet, and of warm-up.
    static let packetSamples = 1024

    init(sampleRate: Int, channels: Int, bitrate: Int) throws {
        self.sampleRate = sampleRate
        self.channels = channels
        timeBase = Rational(1, Int32(sampleRate))
        guard let codec = avcodec_find_encoder(AV_CODEC_ID_AAC) else {
            throw MediaError(.internal, "libavcodec was built without its AAC encoder")
        }
        context = avcodec_alloc_context3(codec)
        guard let context else { throw MediaError.outOfMemory }
        context.pointee.sample_rate = Int32(sampleRate)
        context.pointee.sample_fmt = AV_SAMPLE_FMT_FLTP
        av_channel_layout_default(&context.pointee.ch_layout, Int32(channels))
        context.pointee.bit_rate = Int64(bitrate)
        context.pointee.profile = FF_PROFILE_AAC_LOW
        context.pointee.time_base = timeBase.libav
        context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
        context.pointee.thread_count = 1
        let opened = avcodec_open2(context, codec, nil)
        guard opened >= 0, context.pointee.frame_size == AudioEncoder.packetSamples else {
            throw MediaError(.internal, "the AAC encoder refuses its settings", libav: opened)
        }
    }

    deinit { avcodec_free_context(&context) }

    /// Adds the stream to a muxer.
    func addStream(to muxer: borrowing Muxer) throws -> Int {
        try CodecParameters(of: context).add(to: muxer, timeBase: timeBase)
    }

    /// Encodes planar samples of one packet, the first of which is sample `position` of the sound. Fewer than
    /// `packetSamples` only at the end.
    func encode(_ samples: [ArraySlice<Float>], position: Int64, _ body: (Packet) throws -> Void) throws {
        guard let context, let count = samples.first?.count, count > 0 else { return }
        let frame = try Frame()
        frame.pointer.pointee.nb_samples = Int32(count)
        frame.pointer.pointee.format = AV_SAMPLE_FMT_FLTP.rawValue
        frame.pointer.pointee.sample_rate = Int32(sampleRate)
        guard av_channel_layout_copy(&frame.pointer.pointee.ch_layout, &context.pointee.ch_layout) >= 0,
            av_frame_get_buffer(frame.pointer, 0) >= 0
        else { throw MediaError.outOfMemory }
        for (channel, plane) in samples.enumerated() {
            guard let target = frame.pointer.pointee.extended_data[channel] else { throw MediaError.outOfMemory }
            plane.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(start: target, count: count * 4).copyMemory(from: source)
            }
        }
        frame.pointer.pointee.pts = position
        try EncoderFeed.feed(context, frame, timeBase, duration: nil, body)
    }

    /// Hands out what the encoder still holds.
    func finish(_ body: (Packet) throws -> Void) throws {
        try EncoderFeed.feed(context, nil, timeBase, duration: nil, body)
    }
}
