internal import CFFmpeg

/// What the first look into a video has decoded. A transcode that would decode just so goes on from there.
struct HeadStart {
    /// Has taken in its first `packets`, and holds what it has not given yet.
    let decoder: Decoder
    /// What it has given.
    let frames: [Frame]
}

/// The first look into the video itself: one decoded picture, and how the first ones are spaced.
struct FirstPicture {
    /// Everything that was read on the way.
    let packets: [Packet]
    /// `nil` where the decoder had to be drained for a picture.
    let headStart: HeadStart?
    private let frame: Frame
    private let times: [Double]

    /// Packets of the video and bytes of all streams read at most before a picture has to have come: in the middle of a
    /// group of pictures the next key frame may be 10 s away, and sound may lie in front of the video.
    private static let longestLook = (packets: 2400, bytes: 48 << 20)
    /// What a packet takes in memory beside its bytes: there could be millions of empty ones.
    private static let packetOverhead = 512
    /// Pictures whose times tell the rate where the container has no index of them.
    private static let timedPictures = 80
    /// H.264 and HEVC reorder pictures by at most 16.
    private static let deepestReordering = 16

    /// - Parameter threads: how many the decoder may use; `nil`: as many as a transcode is likely to give it.
    init(_ demuxer: Demuxer, _ stream: Stream, isIndexed: Bool, threads: Int?) throws {
        let converts = stream.parameters.format != AV_PIX_FMT_YUV420P.rawValue
        let decoder = try Decoder(stream, threads: threads ?? CodecThreads.decoding(callerConverts: converts))
        var packets: [Packet] = []
        var times: [Double] = []
        var (pictures, bytes) = (0, 0)
        var frames: [Frame] = []
        var isAtEnd = false
        func keep(_ frame: Frame) { frames.append(frame) }
        while frames.isEmpty || (!isIndexed && times.count < FirstPicture.timedPictures),
            pictures < FirstPicture.longestLook.packets, bytes < FirstPicture.longestLook.bytes
        {
            guard let packet = try demuxer.next() else {
                isAtEnd = true
                break
            }
            packets.append(packet)
            bytes += packet.size + FirstPicture.packetOverhead
            guard packet.streamIndex == stream.index else { continue }
            pictures += 1
            if let time = packet.pts ?? packet.dts { times.append(time.seconds) }
            if frames.isEmpty { try decoder.decode(packet, keep) }
        }
        // Each of the decoder's threads waits for a picture of its own before the first comes out.
        let isDrained = frames.isEmpty
        if isDrained { try decoder.finish(keep) }
        guard let first = frames.first else {
            throw MediaError(
                .sourceCorrupt, "no picture of the \(stream.codecName) video can be decoded; export it again")
        }
        frame = first
        self.packets = packets
        headStart = isDrained ? nil : HeadStart(decoder: decoder, frames: frames)
        // Pictures are read in coding order: the latest of them may still have others in front of them.
        self.times = isAtEnd ? times.sorted() : Array(times.sorted().dropLast(FirstPicture.deepestReordering))
    }

    /// All that is known of the picture but for its timeline.
    ///
    /// - Parameter track: the MP4's index of the stream, where it lists what libavformat gives.
    func describe(_ stream: Stream, _ track: Track?) -> MediaInfo.Video {
        let parameters = stream.parameters
        let matrix = stream.displayMatrix
        let color = color(of: stream)
        var video = MediaInfo.Video(
            streamIndex: stream.index, codec: stream.codecName, profile: stream.profileName,
            pixelFormat: PixelFormat.name(frame.format), width: frame.width, height: frame.height,
            pixelAspect: aspect(of: stream), orientation: matrix.flatMap { Orientation(matrix: $0) } ?? .upright,
            color: color.description, statesColor: color.isStated,
            isInterlaced: frame.isInterlaced || FirstPicture.interlacedOrders.contains(parameters.field_order.rawValue),
            declaredRate: stream.averageRate.value > 0 ? stream.averageRate.value : stream.baseRate.value,
            times: times, hasAllTimes: false, timeline: .whole(from: 0))
        guard let track, track.samples.isPlausible, track.samples.count > 0, track.timescale > 0 else { return video }
        let scale = Double(track.timescale)
        video.times = track.samples.presentationTimes.map { Double($0) / scale }.sorted()
        video.hasAllTimes = true
        video.lastDuration = track.samples.timeRuns.last.map { Double($0.delta) / scale }
        guard let sets = track.description.avcC.flatMap({ ParameterSets($0) }), track.descriptionCount == 1 else {
            video.obstacle = "has no single parameter set in front"
            return video
        }
        guard beginsAnew(stream, sets) else {
            video.obstacle = "doesn't begin with a key frame"
            return video
        }
        video.samples = MediaInfo.CodedVideo(sets: sets, table: track.samples, timescale: track.timescale)
        return video
    }

    /// An index may call a key frame what leans on pictures that were cut off.
    private func beginsAnew(_ stream: Stream, _ sets: ParameterSets) -> Bool {
        packets.first { $0.streamIndex == stream.index }?.codedPicture(sets.framing).isInstantRefresh == true
    }

    private static let interlacedOrders: Set<UInt32> = [
        AV_FIELD_TT.rawValue, AV_FIELD_BB.rawValue, AV_FIELD_TB.rawValue, AV_FIELD_BT.rawValue,
    ]

    private func aspect(of stream: Stream) -> Double {
        // The container's word goes first, as players have it.
        let container = Rational(stream.pointer.pointee.sample_aspect_ratio).value
        if container > 0.05, container < 20 { return container }
        return FrameColor.pixelAspect(of: frame) ?? 1
    }

    /// The stream's colours. What nothing states is guessed as players guess it: BT.601 for the sizes of standard
    /// definition, else BT.709.
    private func color(of stream: Stream) -> (description: ColorDescription, isStated: Bool) {
        let parameters = stream.parameters
        let unknown = 2
        let container = ColorDescription(
            primaries: FrameColor.known(parameters.color_primaries.rawValue, else: 1),
            transfer: FrameColor.known(parameters.color_trc.rawValue, else: 1),
            matrix: FrameColor.known(parameters.color_space.rawValue, else: unknown),
            fullRange: parameters.color_range == AVCOL_RANGE_JPEG)
        var color = FrameColor.description(of: frame, else: container)
        guard color.matrix == unknown else { return (color, true) }
        let isStandardDefinition = frame.width < 1280 && frame.height <= 576
        color.matrix = color.primaries == 9 ? 9 : isStandardDefinition ? 6 : 1
        return (color, false)
    }
}
