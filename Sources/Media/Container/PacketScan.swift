internal import CFFmpeg

/// Lists every packet of a source by reading it once without decoding: what an MP4's index says in front.
///
/// ```
/// ByteSource ─▶ Demuxer ─Packet─▶ PictureList ─▶ CodedVideo ─▶ Plan
///                          └────▶ SoundList ───▶ CodedAudio ─┘
/// ```
///
/// Matroska, MPEG-TS, FLV, AVI and movie fragments list neither times nor sizes nor key frames, so that nobody can know
/// from the front whether a copy would conform, and once bytes have left there is no way back to encoding. So a source
/// that could be copied is read twice: once here, once for the copy. Locally that costs a tenth of a second; over the
/// network it costs the download again, which is minutes less than encoding. It is bounded: a source larger than the
/// profile's largest file can't be copied and isn't scanned, and the scan ends with the first packet that rules a copy
/// out. A source that can't seek can't be read twice: it is encoded.
struct PacketScan {
    /// What was found of the picture and of the sound that was asked for.
    var pictures: PictureList
    var sound: SoundList?
    /// The source was read to its end.
    private(set) var isWhole = false

    /// Reads the packets of `video` and, if given, `audio`.
    ///
    /// - Parameter obstacle: why the picture can't be copied whatever its packets are; only its times are listed then.
    init(
        _ source: any ByteSource, video: Stream, obstacle: String?, audio: Stream?, isCancelled: @escaping () -> Bool
    ) throws {
        let demuxer = try Demuxer(source, isCheckedMovie: true, ignoringEditLists: false, isCancelled: isCancelled)
        let streams = demuxer.streams
        pictures = PictureList(video, flaw: obstacle)
        sound = audio.map { SoundList($0) }
        for stream in [video, audio].compactMap({ $0 }) {
            guard stream.index < streams.count, streams[stream.index].codecName == stream.codecName else {
                throw MediaError(.sourceChanged, "\(source.name) changed while it was read; try again")
            }
        }
        demuxer.select([video.index, audio?.index].compactMap { $0 })
        while pictures.flaw == nil || sound?.isOpen ?? false {
            if isCancelled() { throw MediaError.cancelled }
            guard let packet = try demuxer.next() else {
                isWhole = true
                break
            }
            if packet.streamIndex == video.index {
                pictures.take(packet)
            } else if packet.streamIndex == audio?.index {
                sound?.take(packet)
            }
        }
    }
}

/// The pictures of an H.264 stream as they come.
struct PictureList {
    /// Why there can be no copy.
    private(set) var flaw: String?
    /// Whether when each is shown is known, and not only when it is decoded.
    private(set) var isTimed = true
    private let sets: ParameterSets?
    private let base: Rational
    private let declaredRate: Double
    private let isReordered: Bool
    private var times: [Int64] = []
    private var sizes: [UInt32] = []
    private var keys: [Int] = []
    private var latestDecoding = -Double.infinity
    private var last: (time: Int64, duration: Int64)?
    private var damaged = 0
    private var hasForeignUnits = false

    init(_ stream: Stream, flaw: String?) {
        base = stream.timeBase
        declaredRate = stream.averageRate.value
        isReordered = stream.parameters.video_delay > 0
        sets = flaw == nil ? ParameterSets(stream.extradata) : nil
        self.flaw = flaw ?? (sets == nil ? "has no single parameter set in front" : nil)
    }

    mutating func take(_ packet: Packet) {
        let isTimed = packet.pts != nil || !isReordered && packet.dts != nil
        self.isTimed = self.isTimed && isTimed
        defer {
            if let time = packet.pts ?? packet.dts {
                times.append(time.ticks * Int64(max(1, base.num)))
                if time.ticks >= last?.time ?? .min { last = (time.ticks, packet.duration) }
            }
            if times.count > SampleTable.maximumCount { flaw = flaw ?? "more pictures than any video has" }
        }
        guard flaw == nil, let sets else { return }
        let picture = packet.codedPicture(sets.framing)
        if packet.isCorrupt || !picture.isWhole { damaged += 1 }
        if times.isEmpty, !picture.isInstantRefresh { flaw = "doesn't begin with a key frame" }
        if packet.isDiscarded { flaw = "the edit list cuts or moves the picture" }
        if let time = packet.dts?.seconds {
            if time < latestDecoding - TimeOrder<Packet>.reach { flaw = "the times of the pictures start over" }
            latestDecoding = max(latestDecoding, time)
        }
        if packet.newExtradata != nil || !picture.parameterSets.allSatisfy(sets.units.contains) {
            flaw = "the picture's parameters change in the middle"
        }
        guard isTimed, let size = UInt32(exactly: packet.size) else {
            flaw = flaw ?? "pictures have no times"
            return
        }
        if picture.isInstantRefresh { keys.append(times.count) }
        hasForeignUnits = hasForeignUnits || picture.hasForeignUnits
        sizes.append(size)
    }

    /// When the pictures read so far are shown, in seconds of the stream's clock, in order.
    var shown: [Double] { times.sorted().map { Double($0) / Double(max(1, base.den)) } }

    /// How long the last of them stays by its packet, in seconds; `nil` where that doesn't say.
    var lastDuration: Double? { last.flatMap { $0.duration > 0 ? Double($0.duration) * base.value : nil } }

    /// The list, unless something speaks against a copy; then `flaw` says what.
    ///
    /// - Parameter lastStay: for how many seconds the last picture is shown, where that is known.
    mutating func finish(lastStay: Double?) -> MediaInfo.CodedVideo? {
        if damaged > 0, flaw == nil { flaw = "\(damaged) of \(times.count) pictures are damaged" }
        guard flaw == nil, let sets, base.num > 0, base.den > 0, let first = times.min() else { return nil }
        let grid = PictureGrid(times, ticksPerSecond: base.den, declaredRate: declaredRate)
        let times = grid?.times ?? times
        let usual = PictureList.usualDistance(times)
        let ticks = (lastStay ?? 0) * Double(grid?.timescale ?? base.den)
        // Containers round: only what is clearly longer is not the usual distance.
        let isUsual = ticks < Double(usual) * 1.5 || ticks > 1e9
        let table = SampleTable(
            times: times, sizes: sizes, keys: keys, lastDuration: isUsual ? usual : Int64(ticks.rounded()))
        guard table.isPlausible else {
            flaw = "the times of the pictures jump"
            return nil
        }
        return MediaInfo.CodedVideo(
            sets: sets, table: table, timescale: UInt32(grid?.timescale ?? base.den),
            origin: Double(first) / Double(base.den), hasForeignUnits: hasForeignUnits)
    }

    private static func usualDistance(_ times: [Int64]) -> Int64 {
        let shown = times.sorted()
        let distances = zip(shown, shown.dropFirst()).map { $1 - $0 }.sorted()
        return distances.isEmpty ? 1 : max(1, distances[distances.count / 2])
    }
}

/// Times that a container rounded, put back where they came from: on a constant rate's grid.
///
/// Matroska and FLV count milliseconds, in which 60 pictures a second are 16 or 17 apart.
private struct PictureGrid {
    let times: [Int64]
    let timescale: Int32

    /// `nil` where a picture lies more than one tick off.
    init?(_ times: [Int64], ticksPerSecond: Int32, declaredRate: Double) {
        let scale = Double(ticksPerSecond)
        guard let first = times.min() else { return nil }
        let rate = FrameRate.choose(times: times.sorted().map { Double($0) / scale }, declared: declaredRate).rate
        guard rate.num > 0, rate.den > 0 else { return nil }
        timescale = rate.num
        var onGrid: [Int64] = []
        onGrid.reserveCapacity(times.count)
        for time in times {
            let distance = Double(time - first)
            let frame = (distance / scale * rate.value).rounded()
            guard abs(frame / rate.value * scale - distance) <= 1, frame < 1e9 else { return nil }
            onGrid.append(Int64(frame) * Int64(rate.den))
        }
        self.times = onGrid
    }
}

/// The packets of an AAC stream as they come.
struct SoundList {
    /// Why there can be no copy.
    private(set) var flaw: String?
    private let base: Rational
    private let isFramed: Bool
    private var description: [UInt8]
    private var times: [Int64] = []
    private var sizes: [UInt32] = []
    private var damaged = 0

    init(_ stream: Stream) {
        base = stream.timeBase
        description = stream.extradata
        isFramed = description.isEmpty
    }

    /// Whether no packet has come.
    var isEmpty: Bool { times.isEmpty && flaw == nil }

    /// Whether more packets can still make a list that a copy can rest on.
    var isOpen: Bool { flaw == nil && times.count <= SampleTable.maximumCount }

    mutating func take(_ packet: Packet) {
        guard isOpen else { return }
        var size = packet.size
        if isFramed {
            guard let header = packet.adtsHeader, header.packetSize == packet.size else {
                flaw = "packets of sound have no usable header"
                return
            }
            if description.isEmpty { description = header.configuration }
            if header.configuration != description { flaw = "the sound changes in the middle" }
            size -= header.size
        }
        if packet.isCorrupt || size == 0 { damaged += 1 }
        if packet.isDiscarded { flaw = "the edit list cuts the sound" }
        if let new = packet.newExtradata, new != description { flaw = "the sound changes in the middle" }
        guard let time = packet.pts, let size = UInt32(exactly: size) else {
            flaw = flaw ?? "packets of sound have no times"
            return
        }
        times.append(time.ticks * Int64(max(1, base.num)))
        sizes.append(size)
    }

    /// The list, unless something speaks against a copy; then `flaw` says what.
    mutating func finish(_ sampleRate: Int) -> MediaInfo.CodedAudio? {
        if damaged > 0, flaw == nil { flaw = "\(damaged) of \(times.count) packets of sound are damaged" }
        guard flaw == nil, base.num > 0, base.den > 0, let first = times.min(),
            let config = AudioSpecificConfig(description)
        else { return nil }
        let packet = Double(AudioEncoder.packetSamples) / Double(max(1, sampleRate)) * Double(base.den)
        let table = SampleTable(
            times: times, sizes: sizes, keys: nil, lastDuration: Int64(min(1e9, packet.rounded())))
        guard table.isPlausible else {
            flaw = "the times of the sound jump"
            return nil
        }
        return MediaInfo.CodedAudio(
            config: config, table: table, timescale: UInt32(base.den), origin: Double(first) / Double(base.den),
            adts: isFramed ? description : nil)
    }
}
