internal import CFFmpeg

/// Puts streams together into an MP4 without edit lists.
///
/// Two types, because a header must be written before packets and a trailer after it: `Muxer` collects streams,
/// `start` turns it into a `RunningMuxer`, and only that can be finished. (`av_write_trailer` without a header
/// crashes in FFmpeg 5.1.)
struct Muxer: ~Copyable {
    private let output: MuxerOutput

    init(to sink: FaststartSink) throws { output = try MuxerOutput(sink) }

    /// Adds a stream and returns its index.
    ///
    /// - Parameters:
    ///   - parameters: what the stream is; copied.
    ///   - timeBase: the ticks its packets' times should be written in.
    ///   - displayMatrix: `tkhd`'s matrix for a picture that is not upright.
    func add(
        _ parameters: UnsafePointer<AVCodecParameters>, timeBase: Rational, frameRate: Rational? = nil,
        displayMatrix: [Int32]? = nil
    ) throws -> Int {
        guard let stream = avformat_new_stream(output.context, nil),
            avcodec_parameters_copy(stream.pointee.codecpar, parameters) >= 0
        else { throw MediaError.outOfMemory }
        stream.pointee.codecpar.pointee.codec_tag = 0
        stream.pointee.time_base = timeBase.libav
        if let frameRate { stream.pointee.avg_frame_rate = frameRate.libav }
        if let displayMatrix {
            guard let data = av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, 36) else {
                throw MediaError.outOfMemory
            }
            for (index, value) in displayMatrix.prefix(9).enumerated() {
                UnsafeMutableRawPointer(data).storeBytes(of: value, toByteOffset: index * 4, as: Int32.self)
            }
        }
        return Int(stream.pointee.index)
    }

    /// Writes the header.
    consuming func start() throws -> RunningMuxer {
        var options: OpaquePointer?
        defer { av_dict_free(&options) }
        // No edit list in any track: composition offsets may be negative instead, and sound starts with the picture
        // because the encoder's priming is cut off (`AudioEncoder`).
        av_dict_set(&options, "use_editlist", "0", 0)
        av_dict_set(&options, "movflags", "negative_cts_offsets", 0)
        try output.check(avformat_write_header(output.context, &options), "the header can't be written")
        return RunningMuxer(output)
    }
}

/// A muxer whose header is written.
struct RunningMuxer: ~Copyable {
    private let output: MuxerOutput

    fileprivate init(_ output: MuxerOutput) { self.output = output }

    /// Writes a packet; its bytes belong to the muxer afterwards. The times are rescaled here and nowhere else.
    func write(_ packet: Packet, stream: Int) throws {
        guard let target = output.context?.pointee.streams[stream] else { return }
        if let time = packet.pts?.seconds { output.sink.secondsTaken = max(output.sink.secondsTaken, time) }
        av_packet_rescale_ts(packet.pointer, packet.timeBase.libav, target.pointee.time_base)
        packet.pointer.pointee.stream_index = Int32(stream)
        packet.pointer.pointee.pos = -1
        try output.check(
            av_interleaved_write_frame(output.context, packet.pointer), "a packet can't be written")
    }

    /// Writes the index. The sink has everything afterwards.
    consuming func finish() throws {
        try output.check(av_interleaved_write_frame(output.context, nil), "the last packets can't be written")
        avio_flush(output.context?.pointee.pb)
        try output.check(0, "the last packets can't be written")
        output.sink.beginTrailer()
        try output.check(av_write_trailer(output.context), "the index can't be written")
        avio_flush(output.context?.pointee.pb)
        try output.check(0, "the index can't be written")
    }
}

/// libavformat's context and the bridge from its writes to the sink. C keeps its address, hence a class.
private final class MuxerOutput {
    let sink: FaststartSink
    private(set) var context: UnsafeMutablePointer<AVFormatContext>?
    private var bridge: UnsafeMutablePointer<AVIOContext>?
    private var position: Int64 = 0
    private var failure: (any Error)?

    private static let bufferSize = 256 << 10

    init(_ sink: FaststartSink) throws {
        self.sink = sink
        guard avformat_alloc_output_context2(&context, nil, "mp4", nil) >= 0, let context,
            let buffer = av_malloc(MuxerOutput.bufferSize)
        else { throw MediaError.outOfMemory }
        bridge = avio_alloc_context(
            buffer.assumingMemoryBound(to: UInt8.self), Int32(MuxerOutput.bufferSize), 1,
            Unmanaged.passUnretained(self).toOpaque(), nil,
            { opaque, buffer, size in MuxerOutput.of(opaque)?.write(buffer, size) ?? reelway_averror(EINVAL) },
            { opaque, offset, whence in
                MuxerOutput.of(opaque)?.seek(offset, whence) ?? Int64(reelway_averror(EINVAL))
            })
        guard let bridge else {
            av_free(buffer)
            throw MediaError.outOfMemory
        }
        context.pointee.pb = bridge
        // Bit-exact: no "encoded by" tag; nothing of the source's metadata is copied either.
        context.pointee.flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT
        context.pointee.flush_packets = 0
        // Times are made to begin at 0 by whoever sends packets; the muxer must not shift them again.
        context.pointee.avoid_negative_ts = 0
    }

    deinit {
        avformat_free_context(context)
        // The muxer may have replaced the buffer: the context's current one is the one to free.
        if let bridge { av_freep(&bridge.pointee.buffer) }
        avio_context_free(&bridge)
    }

    /// Throws the sink's own error if it had one, else what libav's number means.
    func check(_ result: Int32, _ what: String) throws {
        if let failure { throw failure }
        guard result >= 0 else { throw MediaError(.internal, what, libav: result) }
    }

    private static func of(_ opaque: UnsafeMutableRawPointer?) -> MuxerOutput? {
        opaque.map { Unmanaged<MuxerOutput>.fromOpaque($0).takeUnretainedValue() }
    }

    private func write(_ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int32) -> Int32 {
        guard failure == nil else { return REELWAY_EXIT }
        do {
            try sink.write(UnsafeRawBufferPointer(start: buffer, count: Int(size)), at: position)
            position += Int64(size)
            return size
        } catch {
            failure = error
            return REELWAY_EXIT
        }
    }

    private func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        switch whence & ~AVSEEK_FORCE {
        case SEEK_SET: position = offset
        case SEEK_CUR: position += offset
        case AVSEEK_SIZE: return sink.bytesTaken
        case SEEK_END: position = sink.bytesTaken + offset
        default: return Int64(reelway_averror(EINVAL))
        }
        return position
    }
}
