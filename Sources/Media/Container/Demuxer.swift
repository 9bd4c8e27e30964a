internal import CFFmpeg

/// Takes a container apart: the streams it holds, then packet after packet in the order of the file.
///
/// Opens nothing but the source it is given: no protocol is allowed to libavformat, and only the containers that
/// cameras, phones and screen recorders write are opened at all.
final class Demuxer {
    /// libavformat's name of the container: `mov,mp4,m4a,3gp,3g2,mj2`, `matroska,webm` …
    let format: String
    private let bridge: SourceBridge
    private var context: UnsafeMutablePointer<AVFormatContext>?

    private static let movieFormat = "mov,mp4,m4a,3gp,3g2,mj2"
    /// Containers that may hold a video a user films or downloads. Everything else is refused by name.
    private static let videoFormats: Set<String> = [
        movieFormat, "matroska,webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg",
    ]
    private static let soundFormats: Set<String> = [
        "mp3", "wav", "aac", "flac", "ac3", "eac3", "amr", "aiff", "caf", "w64", "ape", "au",
    ]
    /// How much of the file libavformat may read to find out what is in it.
    private static let probeBytes: Int64 = 5_000_000
    /// Microseconds of an MPEG-TS in which libavformat may look for a key frame, which alone tells the picture's size. By
    /// itself it gives up after 7 s, and a broadcast that was cut begins anywhere.
    private static let probeTime: Int64 = 60_000_000
    /// Nothing libav allocates at once may be larger, in the whole process: its index of the most samples that a video
    /// may have (24 bytes each, and a sixteenth to grow) is as large as a picture of 8K with 16 bits. By itself it stops
    /// at 2 GiB, and a file of a kilobyte can ask for that.
    private static let limitAllocations: Void = av_max_alloc(256 << 20)

    /// Opens the container and looks into its streams.
    ///
    /// - Parameters:
    ///   - isCheckedMovie: the boxes of an MP4 have been looked through. libavformat also finds one behind other bytes,
    ///     where nobody has.
    ///   - ignoringEditLists: give an MP4's times as the media has them. libavformat drops the frame an edit cuts into
    ///     and shows the rest early, so `Timeline` applies the edits instead. For movies whose index lists every sample.
    init(
        _ source: any ByteSource, isCheckedMovie: Bool, ignoringEditLists: Bool, isCancelled: @escaping () -> Bool
    ) throws {
        LibavLog.install
        LibavLog.clear()
        Demuxer.limitAllocations
        bridge = try SourceBridge(source, isCancelled: isCancelled)
        var input: UnsafePointer<AVInputFormat>?
        let score = av_probe_input_buffer2(bridge.context, &input, "", nil, 0, 1 << 20)
        try bridge.check()
        if score == REELWAY_ENOMEM { throw MediaError.outOfMemory }
        guard score >= 0, let input else {
            throw MediaError(.unsupportedContainer, "\(source.name) is no video file Reelway knows; export it as MP4")
        }
        format = String(cString: input.pointee.name)
        try Demuxer.checkAllowed(format, source.name)
        if format == Demuxer.movieFormat, !isCheckedMovie {
            throw MediaError(.sourceCorrupt, "\(source.name) doesn't begin as an MP4 does; fetch or export it again")
        }

        context = avformat_alloc_context()
        guard let context else { throw MediaError.outOfMemory }
        context.pointee.pb = bridge.context
        context.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        context.pointee.probesize = Demuxer.probeBytes
        if format == "mpegts" { context.pointee.max_analyze_duration = Demuxer.probeTime }
        var options: OpaquePointer?
        defer { av_dict_free(&options) }
        av_dict_set(&options, "protocol_whitelist", "", 0)
        if ignoringEditLists { av_dict_set(&options, "ignore_editlist", "1", 0) }
        // On failure avformat_open_input frees the context and sets it to nil.
        let opened = avformat_open_input(&self.context, "", input, &options)
        try bridge.check()
        guard opened >= 0 else {
            throw MediaError(.sourceCorrupt, "\(source.name) can't be opened", libav: opened)
        }
        let probed = Demuxer.findStreamInfo(self.context, isIndexed: ignoringEditLists)
        try bridge.check()
        guard probed >= 0 else {
            throw MediaError(.sourceCorrupt, "\(source.name) can't be understood", libav: probed)
        }
    }

    /// libavformat decodes some pictures to learn their form and how the stream orders them. Nobody sees them, so they
    /// needn't be finished.
    ///
    /// - Parameter isIndexed: the container lists when each picture is shown. Where the parameter sets tell all the rest,
    ///   none is decoded then: the first look decodes them again.
    private static func findStreamInfo(_ context: UnsafeMutablePointer<AVFormatContext>?, isIndexed: Bool) -> Int32 {
        guard let context else { return REELWAY_ENOMEM }
        var options = [OpaquePointer?](repeating: nil, count: Int(context.pointee.nb_streams))
        for index in options.indices {
            av_dict_set(&options[index], "skip_loop_filter", "all", 0)
            av_dict_set(&options[index], "skip_idct", "all", 0)
            if isIndexed, let stream = context.pointee.streams[index], Stream(pointer: stream).takeAnnouncedForm() {
                av_dict_set(&options[index], "skip_frame", "all", 0)
            }
        }
        defer { for index in options.indices { av_dict_free(&options[index]) } }
        return avformat_find_stream_info(context, &options)
    }

    deinit {
        // With a custom AVIO this frees neither the AVIO context nor its buffer: the bridge does.
        avformat_close_input(&context)
    }

    private static func checkAllowed(_ format: String, _ name: String) throws {
        guard !videoFormats.contains(format) else { return }
        if soundFormats.contains(format) {
            throw MediaError(.noVideoStream, "\(name) holds sound only (\(format)); give a video")
        }
        if format.hasSuffix("_pipe") || ["image2", "gif", "apng", "ico"].contains(format) {
            throw MediaError(.noVideoStream, "\(name) is a picture (\(format)), not a video")
        }
        throw MediaError(.unsupportedContainer, "the container \(format) of \(name) is not supported; export it as MP4")
    }

    var streams: [Stream] {
        guard let context, let list = context.pointee.streams else { return [] }
        return (0..<Int(context.pointee.nb_streams)).compactMap { index in list[index].map { Stream(pointer: $0) } }
    }

    /// The container's duration in seconds, and whether it comes from the file rather than from an estimate.
    var duration: (seconds: Double, isExact: Bool)? {
        guard let context, context.pointee.duration > 0 else { return nil }
        let seconds = Double(context.pointee.duration) / Double(AV_TIME_BASE)
        return (seconds, context.pointee.duration_estimation_method != AVFMT_DURATION_FROM_BITRATE)
    }

    /// Where the container's clock starts, in seconds.
    var startSeconds: Double? {
        guard let start = context?.pointee.start_time, start != REELWAY_NOPTS else { return nil }
        return Double(start) / Double(AV_TIME_BASE)
    }

    /// Has libavformat skip all streams but these, without reading them where the container allows it.
    func select(_ indices: [Int]) {
        for stream in streams where !indices.contains(stream.index) {
            stream.pointer.pointee.discard = AVDISCARD_ALL
        }
    }

    /// The next packet; `nil` at the end of the file. A source that broke off throws what it threw.
    func next() throws -> Packet? {
        let packet = try Packet(timeBase: Rational(0, 0))
        while true {
            let result = av_read_frame(context, packet.pointer)
            try bridge.check()
            if result == REELWAY_EOF { return nil }
            if result == REELWAY_EAGAIN { continue }
            guard result >= 0 else { throw MediaError(.sourceCorrupt, "the container breaks off", libav: result) }
            guard let list = context?.pointee.streams, packet.streamIndex >= 0,
                packet.streamIndex < Int(context?.pointee.nb_streams ?? 0), let stream = list[packet.streamIndex]
            else { continue }
            packet.timeBase = Rational(stream.pointee.time_base)
            return packet
        }
    }
}

extension Rational {
    /// libav's own fraction.
    init(_ rational: AVRational) { self.init(rational.num, rational.den) }

    /// As libav takes it.
    var libav: AVRational { AVRational(num: num, den: den) }
}
