internal import CFFmpeg

/// One video from a source to a sink, on the thread that calls `run`.
///
/// ```
/// ByteSource ─▶ Demuxer ─Packet─▶ VideoTrack ─Packet─▶ Muxer ─bytes─▶ FaststartSink ─body, then head─▶ ByteSink
///                          └────▶ AudioTrack ────┘                          │
///                                                                     Conformance
/// ```
///
/// A success is proved, not assumed: every sample the container lists was there, the decoded time reaches the
/// container's, damage stays under 1 %, and the written boxes keep the profile. Until then the sink shows nothing.
public final class Transcode {
    /// What the user can choose.
    public struct Options: Sendable {
        /// The limits the result has to keep.
        public var profile: Profile = .reels
        /// Never copy a stream.
        public var forceEncode = false
        /// What a copy of the picture has failed by, as its error says (`MediaError.copyFault`): it is encoded then.
        public var copyFault: String?
        /// x264's preset instead of the planned one.
        public var preset: String?
        /// x264's constant rate factor instead of the planned one.
        public var crf: Double?
        /// Threads for decoder and encoder each; `nil`: as many as keep the cores busy.
        public var threads: Int?
        /// Whether the report gets the result's SHA-256, which costs reading a finished file once. Where that fails or is
        /// cancelled a warning says so: by then the result is stored.
        public var hashesOutput = false
        /// Whether threads that answer someone go first when they wake up: for a service that transcodes beside.
        /// The calling thread stays so afterwards.
        public var givesWay = false

        /// The planned settings.
        public init() {}
    }

    /// What is known by now, also of a failure; whole where `run` has returned.
    public private(set) var report = Report()

    private let source: any ByteSource
    private let sink: any ByteSink
    private let options: Options
    private let progress: (Progress) -> Void
    private let isCancelled: @Sendable () -> Bool

    /// Prepares a transcode; nothing is read yet.
    ///
    /// - Parameters:
    ///   - progress: called from `run`'s thread a few times a second at most.
    ///   - isCancelled: asked often, from `run`'s thread; once true, `run` throws `cancelled` soon after.
    public init(
        from source: any ByteSource, to sink: any ByteSink, options: Options,
        progress: @escaping (Progress) -> Void = { _ in }, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
        self.source = source
        self.sink = sink
        self.options = options
        self.progress = progress
        self.isCancelled = isCancelled
    }

    /// Does the work. Throws a `MediaError` (or what source or sink threw); the sink holds nothing then.
    ///
    /// - Returns: `report`.
    @discardableResult
    public func run() throws -> Report {
        if options.givesWay { TimeSlice.lengthen() }
        do {
            try work()
            return report
        } catch {
            sink.abort()
            throw error
        }
    }

    private func work() throws {
        var clock = Stopwatch()
        defer { clock.measure(&report.timings) }
        var meter = ProgressMeter(report: progress)
        meter.show(.probing, 0, bytesIn: 0, bytesOut: 0)
        let probe = try Probe(source, threads: options.threads, isCancelled: isCancelled)
        defer {
            report.describe(probe.info)
            report.timings.bytesRead = probe.bytesRead
        }
        try Plan.checkDuration(probe.info, options.profile)
        try probe.listPackets(options, isCancelled: isCancelled)
        let plan = try Plan(probe.info, options.profile, options)
        report.describe(plan)
        let faststart = FaststartSink(
            sink, reservedPrefix: HeadReserve.bytes(probe.info, plan), duration: probe.info.duration,
            isEncoded: !plan.copiesVideo)
        defer { report.timings.bytesWritten = report.output?.bytes ?? faststart.bytesTaken }

        let muxer = try Muxer(to: faststart)
        let video = try VideoTrack(
            plan, probe, probe.takeHeadStart(), threads: options.threads, muxer: muxer, isCancelled: isCancelled)
        let audio = try AudioTrack(plan, probe, muxer: muxer, isCancelled: isCancelled)
        let running = try muxer.start()
        // The last copied sound waits until it is known where the picture ends.
        let soundLimit = plan.copiesAudio ? (plan.source.video.end ?? .infinity) - 0.1 : .infinity

        while let packet = try probe.next() {
            if isCancelled() { throw MediaError.cancelled }
            if packet.streamIndex == probe.videoStream.index {
                try video.feed(packet)
            } else {
                try audio?.feed(packet)
            }
            try pass(video, audio, soundBefore: soundLimit, to: running, &clock)
            if let most = options.profile.maximumSeconds, video.end > most + 0.1 {
                try Plan.check(duration: video.end, options.profile)
            }
            meter.show(
                .transcoding, fraction(video.end, probe.info), seconds: video.end, total: probe.info.duration,
                bytesIn: probe.bytesRead, bytesOut: faststart.bytesTaken)
            if video.isOver, audio?.isOver ?? true { break }
        }
        try audio?.drain()
        // Where copied sound has left already the picture has to go too; encoded sound that lasts much longer is kept.
        let heard = min(audio?.end ?? 0, soundLimit)
        let holds = !plan.copiesVideo && (plan.copiesAudio || heard > video.end + 0.5)
        try video.finish(soundEnd: holds ? heard : nil)
        if isCancelled() { throw MediaError.cancelled }
        // The sound's last second, while x264 has the last pictures.
        try audio?.finish(videoEnd: video.end)
        try video.waitForEncoder()
        try Completeness.check(probe.info, video, audio, plan)
        report.warnings = Completeness.warnings(video, audio)
        try pass(video, audio, soundBefore: video.end, to: running, &clock)
        clock.markLastPacket()
        try running.finish()
        try Plan.check(duration: video.end, options.profile)
        try store(faststart, plan, probe, &clock, &meter)
    }

    /// Judges what was written, and shows it by putting the head in front.
    private func store(
        _ faststart: FaststartSink, _ plan: Plan, _ probe: Probe, _ clock: inout Stopwatch, _ meter: inout ProgressMeter
    ) throws {
        meter.show(.uploading, 0.99, bytesIn: probe.bytesRead, bytesOut: faststart.bytesTaken)
        let sealed = try faststart.seal()
        let written = try WrittenFile(sealed, plan)
        try judge(written, plan.profile)
        try source.verify()
        if isCancelled() { throw MediaError.cancelled }
        try sink.finish(head: sealed.head)
        clock.markStored()
        report.output = written.output
        report.output?.location = sink.location
        if options.hashesOutput {
            meter.show(.verifying, 0.99, bytesIn: probe.bytesRead, bytesOut: sealed.fileBytes)
            hashOutput()
        }
        report.ok = true
        meter.show(.verifying, 1, bytesIn: probe.bytesRead, bytesOut: sealed.fileBytes)
    }

    /// Passes on the packets that are ready, of the sound those before a time.
    private func pass(
        _ video: VideoTrack, _ audio: AudioTrack?, soundBefore limit: Double, to muxer: borrowing RunningMuxer,
        _ clock: inout Stopwatch
    ) throws {
        for packet in video.takeReady() {
            clock.markFirstPacket()
            try muxer.write(packet, stream: video.streamIndex)
        }
        guard let audio else { return }
        for packet in audio.takeReady(before: limit) { try muxer.write(packet, stream: audio.streamIndex) }
    }

    /// Reports whether the written boxes keep the profile, and throws where they don't.
    private func judge(_ written: WrittenFile, _ profile: Profile) throws {
        report.conformance = Report.ConformanceVerdict(ready: written.violations.isEmpty, failures: written.violations)
        guard let first = written.violations.first else { return }
        if first.rule == "file_size" {
            throw MediaError(.tooLarge, "the result has \(first.found); \(profile.name) takes \(first.required)")
        }
        throw MediaError(
            .internal,
            "the finished file breaks \(first.rule) (\(first.found), required \(first.required)); it was not kept")
    }

    /// The result is there and whole, as the sink made sure: nothing that comes now makes it a failure.
    private func hashOutput() {
        do {
            report.output?.sha256 = try sink.sha256()
        } catch {
            report.warnings.append("the result is stored, but couldn't be read again for its SHA-256: \(error)")
        }
    }

    private func fraction(_ seconds: Double, _ info: MediaInfo) -> Double {
        guard let total = info.duration, total > 0 else { return 0 }
        return min(0.99, max(0, seconds / total))
    }
}

/// How much room the bytes in front of the media may need.
enum HeadReserve {
    /// A bound for `ftyp`, `moov` and the header of `mdat`: size, time and composition entries of each sample, a
    /// chunk for each, and room for the fixed boxes.
    static func bytes(_ info: MediaInfo, _ plan: Plan) -> Int {
        let seconds = (info.duration ?? plan.profile.maximumSeconds ?? 3600) + 2
        var pictures = seconds * plan.profile.maximumFrameRate
        if case .encode(let settings, _) = plan.video { pictures = seconds * settings.frameRate.value }
        if plan.copiesVideo, let table = info.video.samples?.table { pictures = Double(table.count) }
        let packets = info.audio == nil ? 0 : seconds * 48_000 / 1024
        let perPicture = plan.copiesVideo ? 36.0 : 24.0
        return 4096 + Int(min(pictures, 5e6) * perPicture + min(packets, 5e6) * 24)
    }
}
