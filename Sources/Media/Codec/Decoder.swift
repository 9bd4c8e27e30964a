internal import CFFmpeg

/// How many threads a codec gets where nobody says. Each costs a picture or two of memory, and one too few leaves a core
/// idle now and then: benchmarks/README.md has what was measured.
enum CodecThreads {
    /// One for each core, and one more where its caller has other work to do between two pictures. libavcodec advises
    /// against more than 16.
    static func decoding(callerConverts: Bool) -> Int { min(Int(av_cpu_count()) + (callerConverts ? 1 : 0), 16) }

    /// x264's own choice, one and a half times the cores: a picture waits for rows of the one before.
    static var encoding: Int { min(Int(av_cpu_count()) * 3 / 2, 16) }
}

/// Turns packets of one stream into frames.
///
/// Feeding always drains, so libav's "try again" can't be met. Damage doesn't stop it: what the codec conceals is
/// counted, and who counts decides when it is too much.
final class Decoder {
    private var context: UnsafeMutablePointer<AVCodecContext>?
    private let pictures = DecodedPictures()
    private let streamBase: Rational
    private let frameSeconds: Double
    /// How many threads the codec may use.
    let threads: Int
    private var lastEnd: Double?
    /// Frames that came with a time of their own, those of them that lie behind the one before, and the last's time.
    private var timed = 0
    private var disordered = 0
    private var lastTime = Int64.min

    /// Packets fed, and those whose picture or sound the codec had to conceal or drop.
    private(set) var packets = 0
    private(set) var damaged = 0
    /// Times of packets that are counted as damaged before their frame can show it.
    private var countedTimes: Set<Int64> = []

    /// So many failures in a row without a frame, and the codec is taken to have nothing more to give.
    private static let patience = 64

    /// - Parameter threads: how many threads the codec may use.
    init(_ stream: Stream, threads: Int) throws {
        self.threads = threads
        streamBase = stream.timeBase
        frameSeconds = stream.averageRate.inverse.value
        // Sound whose decoder refuses it isn't chosen: see `StreamSelection`.
        let refusal: MediaError.Code = stream.kind == .video ? .unsupportedVideoCodec : .internal
        guard let codec = avcodec_find_decoder(stream.parameters.codec_id) else {
            throw MediaError(
                refusal, "no decoder for \(stream.codecName); export the video as H.264 or HEVC")
        }
        context = avcodec_alloc_context3(codec)
        guard let context else { throw MediaError.outOfMemory }
        let taken = avcodec_parameters_to_context(context, stream.pointer.pointee.codecpar)
        guard taken >= 0 else {
            throw MediaError(
                .sourceCorrupt, "the parameters of the \(stream.codecName) stream are damaged", libav: taken)
        }
        context.pointee.pkt_timebase = stream.pointer.pointee.time_base
        context.pointee.thread_count = Int32(clamping: threads)
        pictures.serve(context, codec)
        let opened = avcodec_open2(context, codec, nil)
        guard opened >= 0 else {
            throw MediaError(refusal, "\(stream.codecName) can't be decoded", libav: opened)
        }
    }

    deinit { avcodec_free_context(&context) }

    /// From here on looks for damage alone: the frames are not fit to be seen.
    func onlyChecks() {
        context?.pointee.skip_loop_filter = AVDISCARD_ALL
        context?.pointee.skip_idct = AVDISCARD_ALL
    }

    /// Feeds one packet and hands every frame that is ready to `body`.
    func decode(_ packet: Packet, _ body: (Frame) throws -> Void) throws {
        packets += 1
        // Nothing to decode, and nothing that is damaged; libavcodec would take it for an error or for the end.
        guard packet.size > 0 || packet.pointer.pointee.side_data_elems > 0 else { return }
        let result = avcodec_send_packet(context, packet.pointer)
        if result == REELWAY_ENOMEM { throw MediaError.outOfMemory }
        // Anything else that goes wrong is damage in this packet; the codec goes on with the next.
        if result < 0 || packet.isCorrupt {
            damaged += 1
            countedTimes.insert(packet.pointer.pointee.pts)
        }
        try drain(body)
    }

    /// Hands out what the codec still holds. Nothing may be fed afterwards.
    func finish(_ body: (Frame) throws -> Void) throws {
        avcodec_send_packet(context, nil)
        try drain(body)
        // Its pictures make room for the index and the head, so that the end isn't where the memory peaks.
        avcodec_free_context(&context)
    }

    private func drain(_ body: (Frame) throws -> Void) throws {
        var failures = 0
        while failures < Decoder.patience {
            let frame = try Frame()
            let result = avcodec_receive_frame(context, frame.pointer)
            if result == REELWAY_EAGAIN || result == REELWAY_EOF { return }
            if result == REELWAY_ENOMEM { throw MediaError.outOfMemory }
            guard result >= 0 else {
                damaged += 1
                failures += 1
                continue
            }
            if frame.isDamaged, countedTimes.remove(frame.pointer.pointee.pts) == nil { damaged += 1 }
            stamp(frame)
            try body(frame)
        }
    }

    /// Gives the frame its time: the container's, or where it has none the end of the frame before.
    private func stamp(_ frame: Frame) {
        let raw = frame.pointer.pointee
        if raw.pkt_duration > 0, let duration = Timestamp(raw.pkt_duration, streamBase) {
            frame.duration = duration.seconds
        }
        if raw.nb_samples > 0, raw.sample_rate > 0 {
            frame.duration = Double(raw.nb_samples) / Double(raw.sample_rate)
        } else if frame.duration == 0 {
            frame.duration = frameSeconds
        }
        frame.time = Timestamp(time(of: raw), streamBase)?.seconds ?? lastEnd ?? 0
        lastEnd = frame.time + frame.duration
    }

    /// The frame's own time, or libavcodec's guess where it has none or they are of no use. The guess alone turns to the
    /// times of decoding for good after a single damaged one, and these lie frames off.
    private func time(of raw: AVFrame) -> Int64 {
        guard raw.pts != REELWAY_NOPTS else { return raw.best_effort_timestamp }
        timed += 1
        if raw.pts <= lastTime { disordered += 1 }
        lastTime = raw.pts
        return disordered > max(1, timed / 100) ? raw.best_effort_timestamp : raw.pts
    }
}
