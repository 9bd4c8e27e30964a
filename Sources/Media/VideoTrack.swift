internal import CFFmpeg

/// The picture's way through a transcode: packets of the source in, packets of the output out.
///
/// ```
/// copy    Packet ─▶ PictureCopy ───────────────────────────────────────────────────────────▶ ready
/// encode  Packet ─▶ Decoder ─▶ (deinterlace) ─▶ Timeline ─▶ FramePacer ─▶ PictureConverter ─▶ EncoderThread ─▶ ready
/// ```
///
/// Pictures are chosen before they are converted: what the constant rate leaves out costs no scaling, what it
/// repeats is converted once.
final class VideoTrack {
    /// Index of the output's stream.
    let streamIndex: Int

    private let timeline: Timeline
    private let plan: Plan
    private let isCancelled: () -> Bool
    private var mode: Mode
    private var order = TimeOrder<Frame>()
    /// Copied packets since the caller last took them.
    private var copies: [Packet] = []
    /// When the last picture ends, in seconds of the finished video.
    private(set) var end = 0.0
    /// When the last decoded picture ended, before anything was held longer.
    private(set) var decodedEnd = 0.0
    /// Set once nothing further of the source is shown.
    private(set) var isOver = false

    /// Seconds for which a picture's own duration is believed without question.
    private static let plainDuration = 10.0

    private enum Mode {
        case copy(PictureCopy)
        case encode(Encoding)
    }

    /// Packets fed and those with damage.
    var damage: (packets: Int, damaged: Int) {
        switch mode {
        case .copy(let copy): (copy.copied, copy.damaged)
        case .encode(let encoding): (encoding.decoder.packets, encoding.decoder.damaged + order.dropped)
        }
    }
    /// Packets that were copied.
    var copied: Int { if case .copy(let copy) = mode { copy.copied } else { 0 } }
    /// Pictures of a copy that were decoded to look for damage, and those that had it.
    var checked: (packets: Int, damaged: Int)? { if case .copy(let copy) = mode { copy.checked } else { nil } }

    /// - Parameter headStart: what the first look has decoded; used where the plan would decode just so.
    init(
        _ plan: Plan, _ probe: Probe, _ headStart: HeadStart?, threads: Int?, muxer: borrowing Muxer,
        isCancelled: @escaping () -> Bool
    ) throws {
        self.plan = plan
        self.isCancelled = isCancelled
        timeline = plan.source.video.timeline
        switch plan.video {
        case .copy(let addsTags):
            guard let coded = plan.source.video.samples else {
                throw MediaError(.internal, "a copy was planned without a list of the pictures")
            }
            let copy = try PictureCopy(coded, addsTags: addsTags, plan.profile, probe, headStart, muxer: muxer)
            mode = .copy(copy)
            streamIndex = copy.streamIndex
        case .encode(let settings, let target):
            let encoder = try VideoEncoder(settings, threads: threads)
            streamIndex = try encoder.addStream(to: muxer)
            mode = .encode(
                try Encoding(encoder, settings, target, plan, probe.videoStream, headStart, threads: threads))
        }
    }

    /// Takes a packet of the source.
    func feed(_ packet: Packet) throws {
        switch mode {
        case .copy(let copy):
            try copy.feed(packet)
            end = copy.end
            copies.append(packet)
        case .encode(let encoding):
            try encoding.decode(packet) { try show($0, encoding) }
        }
    }

    /// The source has no more: `end` is final, but x264 still works on the last pictures until `waitForEncoder`
    /// returns. The last picture stays until `soundEnd` where that is later.
    func finish(soundEnd: Double?) throws {
        guard case .encode(let encoding) = mode else {
            if case .copy(let copy) = mode { try copy.finish() }
            return
        }
        try encoding.decoder.finish { try show($0, encoding) }
        if let deinterlacer = encoding.deinterlacer {
            try deinterlacer.filter(nil) { try pace($0, encoding) }
        }
        let announced = plan.source.video.end
        for last in order.finish(isBeyondEnd: { timeline.isBeyond(announced, at: $0) }) { try place(last, encoding) }
        guard encoding.hasShown else {
            throw MediaError(.sourceCorrupt, "not one picture of the video could be decoded; export it again")
        }
        if plan.source.video.lastDuration == .infinity { end = max(end, plan.source.video.end ?? 0) }
        decodedEnd = end
        end = max(end, soundEnd ?? 0)
        try encoding.pacer.finish(at: end) { try encode($0, $1, encoding) }
        end = Double(encoding.pacer.ticks) / encoding.rate
    }

    /// Waits until x264 has given the last pictures. Throws what it threw.
    func waitForEncoder() throws {
        if case .encode(let encoding) = mode { try encoding.encoder.finish() }
    }

    /// Hands over what is ready.
    func takeReady() -> [Packet] {
        if case .encode(let encoding) = mode { return encoding.encoder.takeReady() }
        defer { copies = [] }
        return copies
    }

    private func show(_ frame: Frame, _ encoding: Encoding) throws {
        if encoding.deinterlacing == nil, frame.isInterlaced {
            // The first pictures weren't: what comes may be either.
            encoding.deinterlacing = Encoding.deinterlacing + ":deint=interlaced"
        }
        if let filter = encoding.deinterlacing {
            // Broadcasts change their size in the middle: what the old filter holds is shown before.
            if let deinterlacer = encoding.deinterlacer, !deinterlacer.takes(frame) {
                try deinterlacer.filter(nil) { try pace($0, encoding) }
                encoding.deinterlacer = nil
            }
            if encoding.deinterlacer == nil {
                encoding.deinterlacer = try FilterGraph(filter, for: frame, threads: encoding.threads)
            }
            try encoding.deinterlacer?.filter(frame) { try pace($0, encoding) }
        } else {
            try pace(frame, encoding)
        }
    }

    private func pace(_ frame: Frame, _ encoding: Encoding) throws {
        for next in try order.take(frame, at: frame.time, in: plan.source.name) { try place(next, encoding) }
    }

    private func place(_ frame: Frame, _ encoding: Encoding) throws {
        guard let start = timeline.presentation(of: frame.time) else {
            isOver = isOver || timeline.isOver(at: frame.time)
            return
        }
        let least = 1 / encoding.rate
        var length = frame.duration > 0 ? frame.duration : least
        if length < least, let announced = plan.source.video.end {
            // Where pictures are reordered libavformat guesses, and of a variable rate by the ticks of its clock.
            length = max(length, min(least, announced - start))
        }
        if length > VideoTrack.plainDuration {
            // A slide or a screen at rest lasts so long, or the duration is damaged: what is announced decides.
            let announced = plan.source.video.end.map { max($0 - start, least) }
            length = min(length, announced ?? VideoTrack.plainDuration)
        }
        end = max(end, min(start + length, timeline.end ?? .infinity))
        encoding.hasShown = true
        try encoding.pacer.show(frame, at: start) { try encode($0, $1, encoding) }
    }

    private func encode(_ frame: Frame, _ ticks: Range<Int64>, _ encoding: Encoding) throws {
        let end = Double(ticks.upperBound) / encoding.rate
        if end > plan.timeLimit || Double(ticks.count) / encoding.rate > Plan.longestRest {
            try plan.refuseTime(end)
        }
        let picture = try encoding.converter.convert(frame)
        for tick in ticks {
            // One picture can stand for a long time: asking now and then is not enough.
            if isCancelled() { throw MediaError.cancelled }
            // The encoder may still read an earlier use of the same planes: each tick gets a frame of its own.
            try encoding.encoder.encode(try picture.reference(), tick: tick)
        }
    }
}

/// The parts that decode and encode a picture.
private final class Encoding {
    let decoder: Decoder
    let encoder: EncoderThread
    let converter: PictureConverter
    let rate: Double
    var pacer: FramePacer
    var deinterlacer: FilterGraph?
    /// The filter that does it; `nil` where no picture has asked for it yet.
    var deinterlacing: String?
    let threads: Int?
    var hasShown = false
    /// Frames the first look has decoded, and how many of the packets to come it has fed.
    private var framesAhead: [Frame] = []
    private var packetsAhead = 0

    /// Both fields of a frame make one picture: the rate stays.
    static let deinterlacing = "bwdif=mode=send_frame:parity=auto"

    init(
        _ encoder: VideoEncoder, _ settings: VideoEncoder.Settings, _ target: PictureConverter.Target, _ plan: Plan,
        _ stream: Stream, _ headStart: HeadStart?, threads: Int?
    ) throws {
        let converts = !target.keeps(plan.source.video)
        let decoderThreads = threads ?? CodecThreads.decoding(callerConverts: converts)
        if let headStart, headStart.decoder.threads == decoderThreads {
            decoder = headStart.decoder
            framesAhead = headStart.frames
            packetsAhead = decoder.packets
        } else {
            decoder = try Decoder(stream, threads: decoderThreads)
        }
        self.encoder = EncoderThread(encoder)
        converter = PictureConverter(target, threads: threads)
        rate = settings.frameRate.value
        pacer = FramePacer(rate: rate)
        deinterlacing = plan.deinterlaces ? Encoding.deinterlacing : nil
        self.threads = threads
    }

    /// Decodes a packet, or where the first look has done so already gives what came of it.
    func decode(_ packet: Packet, _ body: (Frame) throws -> Void) throws {
        let frames = framesAhead
        framesAhead = []
        for frame in frames { try body(frame) }
        guard packetsAhead == 0 else {
            packetsAhead -= 1
            return
        }
        try decoder.decode(packet, body)
    }
}
