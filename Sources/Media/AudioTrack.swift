internal import CFFmpeg

/// The sound's way through a transcode: packets of the source in, packets of the output out.
///
/// ```
/// copy    Packet ─▶ leading packets dropped ─▶ (ADTS header off) ─▶ counted from 0 ─▶ ready
///            └────▶ Decoder, a share of them: damage inside a packet shows nowhere else
/// encode  Packet ─▶ Decoder ─▶ Resampler ─▶ Timeline ─▶ SampleGrid ─▶ AudioEncoder ─▶ ready
/// ```
final class AudioTrack {
    /// Packets for the muxer since the caller last took them.
    private(set) var ready: [Packet] = []
    /// Index of the output's stream.
    let streamIndex: Int
    /// When the sound of the source ends, in seconds of the finished video.
    private(set) var end = 0.0
    /// When the last sound that came ends, kept or not.
    private(set) var lastHeard = 0.0
    private(set) var isOver = false

    private let timeline: Timeline
    private let plan: Plan
    private let mode: Mode
    private var order = TimeOrder<Frame>(isInGroups: true)
    /// Packets taken, when copying.
    private(set) var packetsSeen = 0
    private var corrupt = 0
    /// Copied packets that are decoded to look for damage, at most: all of a clip of ten seconds, every so many of a longer
    /// one. They take about 10 ms.
    private static let checkedPackets = 500

    private enum Mode {
        case copy(Copying)
        case encode(Decoder, Resampler, SampleGrid)
    }

    private struct Copying {
        /// Packets in front that are left out.
        let dropped: Int
        let sampleRate: Int
        /// What each packet's own header has to say, where they have one.
        let adts: [UInt8]?
        /// Decodes one of so many packets.
        let check: Decoder
        let checkStride: Int
    }

    /// `nil` where the output has no sound.
    init?(_ plan: Plan, _ probe: Probe, muxer: borrowing Muxer, isCancelled: @escaping () -> Bool) throws {
        guard let stream = probe.audioStream, let audio = plan.source.audio else { return nil }
        timeline = audio.timeline
        self.plan = plan
        switch plan.audio {
        case .none: return nil
        case .copy(let dropped):
            let adts = audio.samples?.adts
            let count = audio.samples?.table.count ?? 0
            mode = .copy(
                Copying(
                    dropped: dropped, sampleRate: audio.sampleRate, adts: adts,
                    check: try Decoder(stream, threads: 1), checkStride: count / AudioTrack.checkedPackets + 1))
            streamIndex = try CodecParameters(copying: stream.pointer.pointee.codecpar, extradata: adts)
                .add(to: muxer, timeBase: Rational(1, Int32(audio.sampleRate)))
        case .encode(let rate, let channels):
            let encoder = try AudioEncoder(sampleRate: rate, channels: channels, bitrate: plan.profile.audioBitrate)
            mode = .encode(
                try Decoder(stream, threads: 1), Resampler(sampleRate: rate, channels: channels),
                SampleGrid(encoder, isCancelled: isCancelled))
            streamIndex = try encoder.addStream(to: muxer)
        }
    }

    var damage: (packets: Int, damaged: Int) {
        switch mode {
        case .copy: (packetsSeen, corrupt)
        case .encode(let decoder, _, _): (decoder.packets, decoder.damaged + order.dropped)
        }
    }

    /// Packets of a copy that were decoded, and those with damage; `nil` where all are encoded.
    var checked: (packets: Int, damaged: Int)? {
        if case .copy(let copying) = mode { (copying.check.packets, copying.check.damaged) } else { nil }
    }

    /// A track was declared, and neither listed nor came anything of it: a recorder with the microphone off.
    var isSilent: Bool { damage.packets == 0 && plan.source.audio?.listedPackets == 0 && !plan.copiesAudio }

    /// Takes a packet of the source. A copied one is held until it is known that the picture lasts that long.
    func feed(_ packet: Packet) throws {
        switch mode {
        case .copy(let copying): try copy(packet, copying)
        case .encode(let decoder, let resampler, let grid):
            try decoder.decode(packet) { try hear($0, resampler, grid) }
        }
    }

    private func copy(_ packet: Packet, _ copying: Copying) throws {
        try checkSize(of: packet, copying)
        packetsSeen += 1
        if packet.isCorrupt { corrupt += 1 }
        if packetsSeen % copying.checkStride == 0 { try copying.check.decode(packet) { _ in } }
        guard packetsSeen > copying.dropped else { return }
        if let adts = copying.adts {
            guard let header = packet.adtsHeader, header.configuration == adts, header.size < packet.size else {
                throw MediaError(.sourceCorrupt, "a packet of sound has no usable header; export the video again")
            }
            packet.removeFirst(header.size)
        }
        packet.timeBase = Rational(1, Int32(copying.sampleRate))
        let samples = Int64(AudioEncoder.packetSamples)
        packet.pts = Timestamp(Int64(packetsSeen - 1 - copying.dropped) * samples, packet.timeBase)
        if let bound = timeline.end, let start = packet.pts?.seconds, start >= bound - 0.001 {
            isOver = true
            return
        }
        packet.dts = packet.pts
        packet.pointer.pointee.duration = samples
        end = Double(packetsSeen - copying.dropped) * Double(samples) / Double(copying.sampleRate)
        lastHeard = end
        ready.append(packet)
    }

    /// Throws where the packet isn't the next that the index lists, or not the whole of it.
    private func checkSize(of packet: Packet, _ copying: Copying) throws {
        let table = plan.source.audio?.samples?.table
        let listed = table.flatMap { packetsSeen < $0.count ? $0.size(of: packetsSeen) : nil }
        if packet.isCorrupt, let listed, packet.size < listed {
            throw MediaError(
                .sourceTruncated,
                "the source ends inside packet \(packetsSeen + 1) of the sound; fetch or export the video again")
        }
        guard listed == packet.size - (copying.adts == nil ? 0 : packet.adtsHeader?.size ?? 0) else {
            throw MediaError(
                .sourceCorrupt,
                "packet \(packetsSeen + 1) of the sound is not the one the index lists; "
                    + "fetch or export the video again")
        }
    }

    /// The decoder's and the resampler's rest; afterwards `end` is final.
    func drain() throws {
        guard case .encode(let decoder, let resampler, let grid) = mode else { return }
        try decoder.finish { try hear($0, resampler, grid) }
        let announced = plan.source.audio?.end
        for last in order.finish(isBeyondEnd: { timeline.isBeyond(announced, at: $0) }) {
            try resampler.convert(last) { try place($0, resampler, grid) }
        }
        if let rest = try resampler.finish() { try place(rest, resampler, grid) }
    }

    /// Ends the sound with the picture: cut or filled with silence to `videoEnd`.
    func finish(videoEnd: Double) throws {
        guard case .encode(_, _, let grid) = mode else { return }
        try grid.finish(at: videoEnd) { ready.append($0) }
    }

    /// Hands over what is ready and begins before `limit`; the rest waits.
    func takeReady(before limit: Double = .infinity) -> [Packet] {
        let count = ready.firstIndex { ($0.pts?.seconds ?? 0) >= limit - 0.001 } ?? ready.count
        defer { ready.removeFirst(count) }
        return Array(ready.prefix(count))
    }

    private func hear(_ frame: Frame, _ resampler: Resampler, _ grid: SampleGrid) throws {
        for next in try order.take(frame, at: frame.time, in: plan.source.name) {
            try resampler.convert(next) { try place($0, resampler, grid) }
        }
    }

    private func place(_ block: Resampler.Block, _ resampler: Resampler, _ grid: SampleGrid) throws {
        let rate = Double(resampler.sampleRate)
        guard let count = block.planes.first?.count, count > 0 else { return }
        let parts = timeline.parts(of: block.time, duration: Double(count) / rate)
        if parts.isEmpty { isOver = isOver || timeline.isOver(at: block.time) }
        for part in parts {
            let partEnd = part.presentation + part.duration
            if partEnd > plan.timeLimit { try plan.refuseTime(partEnd) }
            lastHeard = max(lastHeard, partEnd)
            // A copied picture isn't held for sound that lasts longer.
            if plan.copiesVideo, let limit = plan.source.video.end, part.presentation >= limit {
                isOver = true
                continue
            }
            if part.presentation - end > Plan.longestRest { try plan.refuseTime(partEnd) }
            let first = min(count, max(0, Int((part.offset * rate).rounded())))
            let length = min(count - first, Int((part.duration * rate).rounded()))
            guard length > 0 else { continue }
            end = max(end, partEnd)
            let planes = block.planes.map { $0[first..<(first + length)] }
            let correction = try grid.put(planes, at: part.presentation) { ready.append($0) }
            if correction != 0 { resampler.compensate(correction, over: Int(SampleGrid.stretch * rate)) }
        }
    }
}
