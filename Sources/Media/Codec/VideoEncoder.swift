internal import CFFmpeg

/// H.264 by libx264, with everything the profile asks of an encoded picture.
final class VideoEncoder {
    /// What to encode and how.
    struct Settings: Sendable, Equatable {
        /// Even, in pixels.
        var width: Int
        var height: Int
        /// Frames per second; one tick of a frame's time is one frame.
        var frameRate: Rational
        /// x264's preset, rate factor and what departs from the preset.
        var choice: EncoderChoice
        /// Highest bits per second over any `bufferSeconds`.
        var maximumBitrate: Int
        /// Length of the rate buffer (VBV) in seconds.
        var bufferSeconds: Double
        /// Key frame distance in frames.
        var keyFrameInterval: Int
    }

    private var context: UnsafeMutablePointer<AVCodecContext>?
    let timeBase: Rational

    /// - Parameter threads: how many threads x264 may use; `nil`: as many as keep the cores busy.
    init(_ settings: Settings, threads: Int?) throws {
        timeBase = settings.frameRate.inverse
        guard let codec = avcodec_find_encoder_by_name("libx264") else {
            throw MediaError(.internal, "libavcodec was built without libx264; install Debian's libavcodec59")
        }
        context = avcodec_alloc_context3(codec)
        guard let context else { throw MediaError.outOfMemory }
        context.pointee.width = Int32(settings.width)
        context.pointee.height = Int32(settings.height)
        context.pointee.pix_fmt = AV_PIX_FMT_YUV420P
        context.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
        context.pointee.time_base = timeBase.libav
        context.pointee.framerate = settings.frameRate.libav
        context.pointee.color_primaries = AVCOL_PRI_BT709
        context.pointee.color_trc = AVCOL_TRC_BT709
        context.pointee.colorspace = AVCOL_SPC_BT709
        context.pointee.color_range = AVCOL_RANGE_MPEG
        context.pointee.profile = FF_PROFILE_H264_HIGH
        context.pointee.gop_size = Int32(settings.keyFrameInterval)
        // They would ask for composition offsets, and those for an edit list.
        context.pointee.max_b_frames = 0
        context.pointee.rc_max_rate = Int64(settings.maximumBitrate)
        context.pointee.rc_buffer_size = Int32(clamping: Int(Double(settings.maximumBitrate) * settings.bufferSeconds))
        context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER | Int32(bitPattern: AV_CODEC_FLAG_CLOSED_GOP)
        context.pointee.thread_count = Int32(clamping: threads ?? CodecThreads.encoding)
        let choice = settings.choice
        guard av_opt_set(context.pointee.priv_data, "preset", choice.preset, 0) >= 0,
            av_opt_set_double(context.pointee.priv_data, "crf", choice.crf, 0) >= 0,
            // What makes a stream High: ultrafast leaves it out and would be Baseline.
            av_opt_set_int(context.pointee.priv_data, "8x8dct", 1, 0) >= 0
        else { throw MediaError(.usage, "libx264 has no preset \(choice.preset) or no CRF \(choice.crf)") }
        if let strength = choice.adaptiveQuantisation {
            av_opt_set_double(context.pointee.priv_data, "aq-strength", strength, 0)
        }
        if av_get_cpu_flags() & AV_CPU_FLAG_AVX512 != 0 {
            // x264's functions for AVX-512 take longer than those for AVX2 (benchmarks/README.md). x264 believes what
            // it is told here, so it may be told on such processors only.
            av_opt_set(context.pointee.priv_data, "x264-params", "asm=avx2", 0)
        }
        let opened = avcodec_open2(context, codec, nil)
        guard opened >= 0 else {
            // Only what somebody asked for can be their mistake.
            let isPlanned = choice == .plentiful || choice == .scarce
            throw MediaError(isPlanned ? .internal : .usage, "libx264 refuses its settings", libav: opened)
        }
    }

    deinit { avcodec_free_context(&context) }

    /// Adds the stream to a muxer.
    func addStream(to muxer: borrowing Muxer) throws -> Int {
        try CodecParameters(of: context).add(to: muxer, timeBase: timeBase, frameRate: timeBase.inverse)
    }

    /// Encodes a picture for tick `tick`. The frame's planes may be reused as soon as `Frame.isWritable` says so.
    func encode(_ frame: Frame, tick: Int64, _ body: (Packet) throws -> Void) throws {
        // libx264 reads as many rows and columns as it was opened with, whatever the frame has.
        guard let context, frame.pointer.pointee.width == context.pointee.width,
            frame.pointer.pointee.height == context.pointee.height, frame.format == AV_PIX_FMT_YUV420P
        else { throw MediaError(.internal, "a picture reached the encoder in another size than planned") }
        frame.pointer.pointee.pts = tick
        // The source's own choice of frame types must not force ours.
        frame.pointer.pointee.pict_type = AV_PICTURE_TYPE_NONE
        frame.pointer.pointee.key_frame = 0
        try EncoderFeed.feed(context, frame, timeBase, duration: 1, body)
    }

    /// Hands out what x264 still holds.
    func finish(_ body: (Packet) throws -> Void) throws {
        try EncoderFeed.feed(context, nil, timeBase, duration: 1, body)
    }
}

/// The send-and-drain step all encoders share.
enum EncoderFeed {
    static func feed(
        _ context: UnsafeMutablePointer<AVCodecContext>?, _ frame: Frame?, _ timeBase: Rational, duration: Int64?,
        _ body: (Packet) throws -> Void
    ) throws {
        try check(avcodec_send_frame(context, frame?.pointer))
        while true {
            let packet = try Packet(timeBase: timeBase)
            let result = avcodec_receive_packet(context, packet.pointer)
            if result == REELWAY_EAGAIN || result == REELWAY_EOF { return }
            try check(result)
            if let duration, packet.duration == 0 { packet.pointer.pointee.duration = duration }
            try body(packet)
        }
    }

    private static func check(_ result: Int32) throws {
        guard result >= 0 else { throw MediaError(.internal, "the encoder failed", libav: result) }
    }
}

/// libav's description of a stream, on its way to the muxer.
final class CodecParameters {
    private(set) var pointer: UnsafeMutablePointer<AVCodecParameters>?

    init(of context: UnsafeMutablePointer<AVCodecContext>?) throws {
        pointer = avcodec_parameters_alloc()
        guard let pointer, avcodec_parameters_from_context(pointer, context) >= 0 else { throw MediaError.outOfMemory }
    }

    /// A copy of those of a stream that is copied, with another description of the codec where one is given.
    init(copying source: UnsafePointer<AVCodecParameters>?, extradata: [UInt8]? = nil) throws {
        pointer = avcodec_parameters_alloc()
        guard let pointer, let source, avcodec_parameters_copy(pointer, source) >= 0 else {
            throw MediaError.outOfMemory
        }
        guard let extradata else { return }
        // libavcodec reads a little beyond the end.
        guard let copy = av_mallocz(extradata.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)) else {
            throw MediaError.outOfMemory
        }
        copy.copyMemory(from: extradata, byteCount: extradata.count)
        av_freep(&pointer.pointee.extradata)
        pointer.pointee.extradata = copy.assumingMemoryBound(to: UInt8.self)
        pointer.pointee.extradata_size = Int32(extradata.count)
    }

    deinit { avcodec_parameters_free(&pointer) }

    /// Has the container say that the picture is BT.709 in limited range, of square pixels.
    func tagSquareBT709() {
        pointer?.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
        pointer?.pointee.color_primaries = AVCOL_PRI_BT709
        pointer?.pointee.color_trc = AVCOL_TRC_BT709
        pointer?.pointee.color_space = AVCOL_SPC_BT709
        pointer?.pointee.color_range = AVCOL_RANGE_MPEG
    }

    func add(
        to muxer: borrowing Muxer, timeBase: Rational, frameRate: Rational? = nil, displayMatrix: [Int32]? = nil
    ) throws -> Int {
        guard let pointer else { throw MediaError.outOfMemory }
        return try muxer.add(pointer, timeBase: timeBase, frameRate: frameRate, displayMatrix: displayMatrix)
    }
}
