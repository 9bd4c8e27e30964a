internal import CFFmpeg

/// An opened source: what is in it, and its packets from the first on.
///
/// Boxes are read by our own reader first, because libavformat keeps to itself what has to be exact: the edit lists,
/// and whether the file holds every sample its index lists. It also believes whatever a fragment claims. Then one
/// picture is decoded, since colours and interlacing may be told by the bitstream alone.
final class Probe {
    private(set) var info: MediaInfo
    let demuxer: Demuxer
    let videoStream: Stream
    let audioStream: Stream?
    /// Packets read while probing, to be given first; the next one is the last.
    private var pending: [Packet]
    private var headStart: HeadStart?
    /// The packets are the ones an index lists, so a scan would tell nothing new.
    private let isListed: Bool
    private let source: CountedSource

    init(_ original: any ByteSource, threads: Int?, isCancelled: @escaping () -> Bool) throws {
        source = CountedSource(original)
        if source.length == 0 {
            throw MediaError(.sourceTruncated, "\(source.name) is empty; fetch or export it again")
        }
        let rewindable = source.isSeekable ? nil : RewindableSource(source)
        var readable: any ByteSource = rewindable ?? source
        let boxes = try Probe.readMovie(readable)
        let movie = boxes?.movie
        let isWhole = try movie == nil && ContainerLength.check(source)
        rewindable?.stopRecording()
        var fragments: [UInt32: FragmentCheck.Extent] = [:]
        if let boxes, source.isSeekable {
            fragments = try FragmentWalk.check(source, boxes.layout, boxes.movie, isCancelled: isCancelled)
        } else if let boxes {
            let checked = try FragmentPipe.checking(readable, boxes.movie)
            readable = boxes.movie.isFragmented ? checked : OpenMediaPipe(checked, boxes.layout, boxes.movie)
        }
        let edits = movie.map { Probe.timelines($0) }
        // Fragments bring times of their own, which libavformat reconciles with the edits.
        let isExact = edits?.isExact == true && movie?.isFragmented == false
        if let movie { try Probe.checkIndex(movie, ignoringEditLists: isExact, source.name) }
        let demuxer = try Demuxer(
            readable, isCheckedMovie: movie != nil, ignoringEditLists: isExact, isCancelled: isCancelled)
        var selection = StreamSelection(demuxer.streams, movie, fragments)
        let video = try selection.bestVideo(source.name)
        let audio = try selection.bestAudio()
        demuxer.select([video.index, audio?.index].compactMap { $0 })

        let videoTrack = movie?.tracks.first { Int($0.id) == video.id }
        let audioTrack = audio.flatMap { stream in movie?.tracks.first { Int($0.id) == stream.id } }
        for track in [videoTrack, audioTrack].compactMap({ $0 }) { try Probe.check(track, source) }
        let tracks = (video: IndexedTrack(videoTrack, fragments), audio: IndexedTrack(audioTrack, fragments))

        isListed = isExact
        let isIndexed = isExact && (videoTrack?.samples.count ?? 0) > 0
        let look = try FirstPicture(demuxer, video, isIndexed: isIndexed, threads: threads)
        pending = look.packets.reversed()
        headStart = look.headStart
        var videoInfo = look.describe(video, isExact ? videoTrack : nil)
        var audioInfo = audio.map { Probe.describe($0, isExact ? audioTrack : nil) }
        audioInfo?.listedPackets = tracks.audio?.samples ?? 0
        Probe.setTimelines(
            &videoInfo, &audioInfo, video, audio, demuxer, tracks, exact: isExact ? edits?.byTrack : nil)
        if isWhole, videoInfo.endsWithContainer, demuxer.streams.count == 1 { videoInfo.lastDuration = .infinity }
        if movie?.isFragmented == true, !source.isSeekable {
            // From a pipe only the first fragment has been seen, so only the end will tell the length.
            videoInfo.end = nil
            audioInfo?.end = nil
        }
        info = MediaInfo(
            name: source.name, bytes: source.length, container: Probe.containerName(demuxer.format), video: videoInfo,
            audio: audioInfo, skipped: selection.skipped)
        self.demuxer = demuxer
        videoStream = video
        audioStream = audio
    }

    /// Bytes read from the source so far, each as often as it was read.
    var bytesRead: Int64 { source.bytesRead }

    /// Hands over what has been decoded of the video, which takes memory until then. Its packets come from `next` all
    /// the same.
    func takeHeadStart() -> HeadStart? {
        defer { headStart = nil }
        return headStart
    }

    /// The next packet of the kept streams; `nil` at the end.
    func next() throws -> Packet? {
        while let packet = pending.popLast() {
            // What was buffered before the selection may belong to a track that is not kept.
            if packet.streamIndex == videoStream.index || packet.streamIndex == audioStream?.index { return packet }
        }
        while let packet = try demuxer.next() {
            if packet.streamIndex == videoStream.index || packet.streamIndex == audioStream?.index { return packet }
        }
        return nil
    }

    /// Lists the packets of a source whose container doesn't, where that could allow a copy; see `PacketScan`.
    func listPackets(_ options: Transcode.Options, isCancelled: @escaping () -> Bool) throws {
        guard !isListed, !options.forceEncode else { return }
        if !source.isSeekable {
            return rule(out: "the container doesn't list every packet, and a pipe can't be looked through first")
        }
        if let length = source.length, let most = options.profile.maximumBytes, length > most + most / 20 {
            return rule(out: "larger than the profile's largest file")
        }
        let obstacle = CopyRules.form(info, options.profile).first
        let audio = info.audio.map { CopyRules.form($0, options.profile).isEmpty } == true ? audioStream : nil
        guard obstacle == nil || audio != nil else { return }
        var scan = try PacketScan(
            source, video: videoStream, obstacle: obstacle, audio: audio, isCancelled: isCancelled)
        let shown = scan.pictures.shown
        let hasAll = scan.isWhole && shown.count > 1 && scan.pictures.isTimed
        if hasAll {
            info.video.times = shown
            info.video.hasAllTimes = true
            info.video.lastDuration = info.video.lastDuration ?? scan.pictures.lastDuration
        }
        info.video.samples = scan.pictures.finish(lastStay: info.video.lastStay)
        if obstacle == nil { info.video.obstacle = scan.pictures.flaw }
        if scan.isWhole, let audio, scan.sound?.isEmpty == true {
            info.skipped.append(StreamSelection.silent(audio))
            info.audio = nil
        } else if let sampleRate = info.audio?.sampleRate, audio != nil {
            info.audio?.samples = scan.sound?.finish(sampleRate)
            info.audio?.obstacle = scan.sound?.flaw
        }
        if !scan.pictures.isTimed {
            // Only decoding tells when the picture ends, and sound that was copied by then can't follow.
            info.audio?.samples = nil
            info.audio?.obstacle = "the container doesn't tell when pictures are shown"
        }
        guard hasAll else { return }
        // Where only the container has a length the sound may be what reaches it.
        if info.audio == nil || !info.video.endsWithContainer {
            try Completeness.checkEnd("picture", info.video.shownEnd ?? 0, info.video.end)
        }
        if info.video.end == nil { info.video.end = info.video.shownEnd }
    }

    private func rule(out obstacle: String) {
        info.video.obstacle = obstacle
        info.audio?.obstacle = obstacle
    }

    private static func containerName(_ format: String) -> String {
        switch format {
        case "mov,mp4,m4a,3gp,3g2,mj2": "mp4"
        case "matroska,webm": "matroska"
        default: format
        }
    }

    /// The index of an MP4, and the boxes up to and with it; `nil` for other containers.
    private static func readMovie(_ source: any ByteSource) throws -> (layout: FileLayout, movie: Movie)? {
        guard let layout = try FileLayout.scan(source, through: .movie) else { return nil }
        if let brand = layout.majorBrand, ["heic", "heix", "mif1", "avif"].contains(brand), layout.moov == nil {
            throw MediaError(.noVideoStream, "\(source.name) is a picture (\(brand)), not a video")
        }
        guard let moov = layout.moov else {
            if !source.isSeekable, layout.boxes.last?.type == "mdat" { throw source.seekRefusal }
            throw MediaError(.sourceTruncated, "\(source.name) ends before its index (moov); fetch or export it again")
        }
        guard let movie = Movie(moov) else {
            throw MediaError(.sourceCorrupt, "the index (moov) of \(source.name) is damaged; export it again")
        }
        return (layout, movie)
    }

    /// Edit lists as timelines; not exact where they play media out of order or at another speed, which is left to
    /// libavformat.
    private static func timelines(_ movie: Movie) -> (byTrack: [UInt32: Timeline], isExact: Bool) {
        var result: [UInt32: Timeline] = [:]
        for track in movie.tracks where ["vide", "soun"].contains(track.handler) && !track.edits.isEmpty {
            guard let timeline = Timeline(track, movieTimescale: movie.timescale) else { return ([:], false) }
            result[track.id] = timeline
        }
        return (result, true)
    }

    /// libavformat makes an entry for each sample that a few bytes may announce, and where it plays the edits itself one
    /// for each sample of each edit.
    private static func checkIndex(_ movie: Movie, ignoringEditLists: Bool, _ name: String) throws {
        var entries: UInt64 = 0
        for track in movie.tracks {
            let count = track.samples.indexEntries(isSound: track.handler == "soun")
            let times = ignoringEditLists ? 1 : UInt64(max(1, track.edits.count))
            let (all, overflow) = count.multipliedReportingOverflow(by: times)
            entries = overflow ? .max : entries.addingClamped(all)
        }
        guard entries <= UInt64(SampleTable.maximumCount) else {
            throw MediaError(
                .sourceCorrupt, "the index of \(name) lists more samples than any video has; export it again")
        }
    }

    private static func check(_ track: Track, _ source: any ByteSource) throws {
        guard track.timescale > 0, track.timescale <= 1_000_000_000 else {
            throw MediaError(.sourceCorrupt, "a track of \(source.name) has no usable timescale; export it again")
        }
        if let length = source.length, let end = track.samples.maximumEnd, end > length {
            throw MediaError(
                .sourceTruncated,
                "\(source.name) has \(length) bytes but its index needs \(end); fetch or export it again")
        }
    }

    private static func describe(_ stream: Stream, _ track: Track?) -> MediaInfo.Audio {
        let parameters = stream.parameters
        var audio = MediaInfo.Audio(
            streamIndex: stream.index, codec: stream.codecName, sampleRate: Int(parameters.sample_rate),
            channels: Int(parameters.ch_layout.nb_channels), timeline: .whole(from: 0),
            isLowComplexity: [FF_PROFILE_AAC_LOW, FF_PROFILE_UNKNOWN].contains(parameters.profile))
        if let track, track.samples.isPlausible, track.samples.count > 0, track.descriptionCount == 1,
            let config = track.description.audioSpecificConfig.flatMap({ AudioSpecificConfig($0) })
        {
            audio.samples = MediaInfo.CodedAudio(config: config, table: track.samples, timescale: track.timescale)
        }
        return audio
    }

    /// Puts picture and sound on one clock that begins with the earlier of them.
    private static func setTimelines(
        _ video: inout MediaInfo.Video, _ audio: inout MediaInfo.Audio?, _ videoStream: Stream, _ audioStream: Stream?,
        _ demuxer: Demuxer, _ tracks: (video: IndexedTrack?, audio: IndexedTrack?), exact: [UInt32: Timeline]?
    ) {
        func timeline(_ stream: Stream) -> Timeline {
            exact?[UInt32(truncatingIfNeeded: stream.id)] ?? .whole(from: 0)
        }
        let videoStart = video.times.first ?? videoStream.startTime?.seconds ?? 0
        // libavformat counts Matroska's codec delay before the start; the decoder drops it.
        let audioStart = (audioStream?.startTime?.seconds ?? 0) + (audioStream?.decoderDelay ?? 0)
        let videoTimeline = timeline(videoStream)
        let audioTimeline = audioStream.map(timeline)
        var zero = videoTimeline.start(mediaStart: videoStart)
        if let audioTimeline { zero = min(zero, audioTimeline.start(mediaStart: audioStart)) }
        // Sound that a rounding puts first doesn't move the picture.
        let ofVideo = videoTimeline.start(mediaStart: videoStart)
        if ofVideo - zero < 0.002 { zero = ofVideo }
        video.timeline = videoTimeline.advanced(by: zero)
        video.end = end(videoStream, video.timeline, demuxer, tracks.video)
        video.endsWithContainer = declared(videoStream, demuxer, tracks.video) == nil
        if let audioTimeline {
            audio?.timeline = audioTimeline.advanced(by: zero)
            if let audioStream, let timeline = audio?.timeline {
                audio?.end = end(audioStream, timeline, demuxer, tracks.audio)
                audio?.endsWithContainer = declared(audioStream, demuxer, tracks.audio) == nil
            }
        }
    }

    /// How long a stream's media is by the container, in seconds; `nil` where it doesn't say.
    private static func declared(_ stream: Stream, _ demuxer: Demuxer, _ indexed: IndexedTrack?) -> Double? {
        // libavformat takes "unknown" for a number, and the time at which the last fragment ends for a length.
        if let indexed, indexed.track.mediaDuration == 0 || indexed.fragments != nil { return indexed.declared }
        // Its guess from the bit rate it gives as if each stream had said so.
        guard demuxer.duration?.isExact != false else { return nil }
        let longest = max(stream.duration?.seconds ?? 0, indexed?.shown ?? 0)
        return longest > 0 ? longest : nil
    }

    /// When a stream's media ends by the container, on the finished video's clock.
    private static func end(
        _ stream: Stream, _ timeline: Timeline, _ demuxer: Demuxer, _ indexed: IndexedTrack?
    ) -> Double? {
        let start = stream.startTime?.seconds ?? 0
        var media = declared(stream, demuxer, indexed).map { start + $0 }
        if media == nil, indexed == nil, let whole = demuxer.duration, whole.isExact {
            let from = demuxer.startSeconds ?? start
            // Most writers of these count the length from second 0, also where the first picture is shown much later.
            let isFromZero = ["matroska,webm", "flv"].contains(demuxer.format) && whole.seconds > from
            media = isFromZero ? whole.seconds : from + whole.seconds
        }
        let shown = media.flatMap { timeline.lastPresentation(before: $0) }
        guard let bound = timeline.end else { return shown }
        return shown.map { min($0, bound) } ?? bound
    }
}

extension Timeline {
    /// Reads a track's edit list; `nil` where it can't be played in one pass (a repeated, reversed or slowed
    /// stretch) or makes no sense.
    init?(_ track: Track, movieTimescale: UInt32) {
        guard movieTimescale > 0, track.timescale > 0 else { return nil }
        var segments: [Segment] = []
        var presentation = 0.0
        let listedEnd = max(track.seconds, Double(track.samples.duration) / Double(track.timescale))
        for (index, edit) in track.edits.enumerated() {
            let length = Double(edit.segmentDuration) / Double(movieTimescale)
            let start = Double(edit.mediaTime) / Double(track.timescale)
            // An edit of nothing, or of media that isn't there.
            if edit.mediaTime < 0 || listedEnd > 0 && start >= listedEnd {
                presentation += length
                continue
            }
            guard edit.rate == 1 else { return nil }
            // A last edit of no length shows the rest. One that reaches the end of the media is not a trim: its
            // length in coarse movie ticks must not cut the last picture.
            let isLast = index == track.edits.count - 1
            let mediaEnd = track.seconds
            let isOpen = isLast && (edit.segmentDuration == 0 || start + length > mediaEnd - 0.002)
            segments.append(
                Segment(
                    mediaStart: start, mediaEnd: isOpen ? .infinity : start + length, presentationStart: presentation))
            presentation += length
        }
        self.init(edits: segments)
    }

    /// When media that ends at `mediaEnd` has been shown.
    func lastPresentation(before mediaEnd: Double) -> Double? {
        guard let segment = segments.last(where: { $0.mediaStart < mediaEnd }) else { return nil }
        let end = min(mediaEnd, segment.mediaEnd)
        return segment.presentationStart + (segment.mediaStart.isFinite ? end - segment.mediaStart : end)
    }
}
