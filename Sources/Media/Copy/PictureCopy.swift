internal import CFFmpeg

/// An H.264 stream's way through a transcode that copies it.
///
/// ```
/// Packet ─▶ held against the list it was planned by ─▶ (user data out) ─▶ (foreign units out, BT.709 tags in) ─▶
///             └─▶ CopyCheck                                                                 times of the list ─▶ ready
/// ```
///
/// The times are the list's, not the packet's: what was judged is what is written.
final class PictureCopy {
    /// Index of the output's stream.
    let streamIndex: Int
    private let coded: MediaInfo.CodedVideo
    private let filter: BitstreamFilter?
    private let check: CopyCheck
    private let base: Rational
    /// In ticks, in coding order: when pictures are shown, and the same in order.
    private let shown: [Int64]
    private let sorted: [Int64]
    /// How far decoding has to run ahead for every picture to be there when it is shown.
    private let delay: Int64
    private var keys: [Int].Iterator?
    private var nextKey: Int?
    /// When the last picture was shown that leans on none before it, and for how long others may follow, in ticks.
    private var lastRefresh: Int64 = 0
    private let longestGroup: Double

    /// Pictures taken, and those whose bytes can't be right.
    private(set) var copied = 0
    private(set) var damaged = 0
    /// When the last picture so far ends, in seconds of the finished video.
    private(set) var end = 0.0

    init(
        _ coded: MediaInfo.CodedVideo, addsTags: Bool, _ profile: Profile, _ probe: Probe, _ headStart: HeadStart?,
        muxer: borrowing Muxer
    ) throws {
        self.coded = coded
        longestGroup = (profile.copiedKeyFrameSeconds + 1e-6) * Double(max(1, coded.timescale))
        let stream = probe.videoStream
        filter = try BitstreamFilter(stream, removesForeignUnits: coded.hasForeignUnits, addsTags: addsTags)
        check = try CopyCheck(stream, coded, headStart)
        base = Rational(1, Int32(clamping: max(1, coded.timescale)))
        let times = Array(coded.table.presentationTimes)
        sorted = times.sorted()
        let first = sorted.first ?? 0
        shown = times.map { $0 - first }
        delay = zip(sorted, times).reduce(0) { max($0, $1.0 - $1.1) }
        keys = coded.table.syncSamples?.makeIterator()
        nextKey = keys?.next()
        let parameters = try CodecParameters(copying: filter?.parameters ?? stream.pointer.pointee.codecpar)
        // The source's may be another name of the same curve.
        parameters.tagSquareBT709()
        // The turn alone is kept of the source's matrix, not where or how large it shows the picture.
        let orientation = probe.info.video.orientation
        streamIndex = try parameters.add(
            to: muxer, timeBase: base, displayMatrix: orientation == .upright ? nil : orientation.turningMatrix)
    }

    /// Makes a packet of the source one of the output.
    func feed(_ packet: Packet) throws {
        let index = copied
        guard index < shown.count, packet.size == coded.table.size(of: index) else {
            throw MediaError(
                .sourceCorrupt, "picture \(index + 1) is not the one the index lists; fetch or export the video again")
        }
        copied += 1
        let picture = packet.codedPicture(coded.sets.framing)
        if packet.isCorrupt || !picture.isWhole {
            damaged += 1
            try Completeness.checkDamage("picture", (packets: shown.count, damaged: damaged))
        }
        if picture.parameterSets.contains(where: { $0[0] & 31 == 7 && !coded.sets.units.contains($0) }) {
            throw PictureCopy.fault("the picture's parameters change in the middle, which the index doesn't tell")
        }
        let isListed = nextKey == index
        if isListed { nextKey = keys?.next() }
        // Writers list key frames that are none, such as those where a decoder may recover: players seek only to others.
        let isKey = isListed && picture.isInstantRefresh
        if isKey { lastRefresh = shown[index] }
        if Double(shown[index] - lastRefresh) > longestGroup {
            throw PictureCopy.fault("key frames are farther apart than the index tells")
        }
        try check.look(at: packet, isKey: isListed, isInstantRefresh: picture.isInstantRefresh)
        if !picture.userData.isEmpty { try packet.replace(picture.userData) }
        try filter?.filter(packet)
        let following = index + 1 < sorted.count ? sorted[index + 1] : nil
        let duration = following.map { $0 - sorted[index] } ?? Int64(coded.table.timeRuns.last?.delta ?? 0)
        packet.timeBase = base
        packet.pts = Timestamp(shown[index], base)
        packet.dts = Timestamp(sorted[index] - (sorted.first ?? 0) - delay, base)
        packet.pointer.pointee.duration = duration
        if isKey {
            packet.pointer.pointee.flags |= AV_PKT_FLAG_KEY
        } else {
            packet.pointer.pointee.flags &= ~AV_PKT_FLAG_KEY
        }
        end = max(end, Double(sorted[index] - (sorted.first ?? 0) + duration) * base.value)
    }

    /// What can't be copied shows only as it comes; nothing speaks against encoding it.
    private static func fault(_ what: String) -> MediaError {
        MediaError(.sourceCorrupt, "\(what); export the video again or give --force-encode", copyFault: what)
    }

    /// Ends the check.
    func finish() throws { try check.finish() }

    /// What the check found.
    var checked: (packets: Int, damaged: Int) { check.damage }
}
