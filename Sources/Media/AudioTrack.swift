internal import CFFmpeg

/// The sound's way through a transcode: packets of the source in, packets of the output out.
///
/// ```
/// copy    Packet ─▶ leading packets dropped ─▶ counted from 0 ─────────────────────▶ ready
/// encode  Packet ─▶ Decoder ─▶ Resampler ─▶ Timeline ─▶ SampleGrid ─▶ AudioEncoder ─▶ ready
/// ```
final class AudioTrack {
    /// Packets for the muxer since the caller last took them.
    private(set) var ready: [Packet] = []
    /// Index of the output's stream.
    let streamIndex: Int
    /// When the sound of the source ends, in seconds of the finished video.
    private(set) var end = 0.0
    private(set) var isOver = false

    private let timeline: Timeline
    private let plan: Plan
    private let mode: Mode
    private var packetsSeen = 0
    private var corrupt = 0

    private enum Mode {
        case copy(dropped: Int, sampleRate: Int)
        case encode(Decoder, Resampler, SampleGrid)
    }

    /// `nil` where the output has no sound.
    init?(_ plan: Plan, _ probe: Probe, muxer: borrowing Muxer) throws {
        guard let stream = probe.audioStream, let audio = plan.source.audio else { return nil }
        timeline = audio.timeline
        self.plan = plan
        switch plan.audio {
        case .none: return nil
        case .copy(let dropped):
            guard let parameters = stream.pointer.pointee.codecpar else { return nil }
            mode = .copy(dropped: dropped, sampleRate: audio.sampleRate)
            streamIndex = try muxer.add(parameters, timeBase: Rational(1, Int32(audio.sampleRate)))
        case .encode(let rate, let channels):
            let encoder = try AudioEncoder(sampleRate: rate, channels: channels, bitrate: plan.profile.audioBitrate)
            mode = .encode(
                try Decoder(stream, threads: 1), Resampler(sampleRate: rate, channels: channels), SampleGrid(encoder))
            streamIndex = try encoder.addStream(to: muxer)
        }
    }

    var damage: (packets: Int, damaged: Int) {
        if case .encode(let decoder, _, _) = mode { (decoder.packets, decoder.damaged) } else { (packetsSeen, corrupt) }
    }

    /// Takes a packet of the source. A copied one is held until it is known that the picture lasts that long.
    func feed(_ packet: Packet) throws {
        switch mode {
        case .copy(let dropped, let rate):
            packetsSeen += 1
            if packet.isCorrupt { corrupt += 1 }
            guard packetsSeen > dropped else { return }
            packet.timeBase = Rational(1, Int32(rate))
            let samples = Int64(AudioEncoder.packetSamples)
            packet.pts = Timestamp(Int64(packetsSeen - 1 - dropped) * samples, packet.timeBase)
            if let bound = timeline.end, let start = packet.pts?.seconds, start >= bound - 0.001 {
                isOver = true
                return
            }
            packet.dts = packet.pts
            packet.pointer.pointee.duration = samples
            end = Double(packetsSeen - dropped) * Double(samples) / Double(rate)
            ready.append(packet)
        case .encode(let decoder, let resampler, let grid):
            try decoder.decode(packet) { frame in
                for block in try resampler.convert(frame) { try place(block, resampler, grid) }
            }
        }
    }

    /// The decoder's and the resampler's rest; afterwards `end` is final.
    func drain() throws {
        guard case .encode(let decoder, let resampler, let grid) = mode else { return }
        try decoder.finish { frame in
            for block in try resampler.convert(frame) { try place(block, resampler, grid) }
        }
        if let rest = try resampler.finish() { try place(rest, resampler, grid) }
    }

    /// Ends the sound with the picture: cut or filled with silence to `videoEnd`.
    func finish(videoEnd: Double) throws {
        guard case .encode(_, _, let grid) = mode else { return }
        try grid.finish(at: videoEnd) { ready.append($0) }
    }

    /// Hands over what is ready and begins before `limit`.
    func takeReady(before limit: Double = .infinity) -> [Packet] {
        defer { ready = [] }
        return limit.isFinite ? ready.filter { ($0.pts?.seconds ?? 0) < limit - 0.001 } : ready
    }

    private func place(_ block: Resampler.Block, _ resampler: Resampler, _ grid: SampleGrid) throws {
        let rate = Double(resampler.sampleRate)
        guard let count = block.planes.first?.count, count > 0 else { return }
        let parts = timeline.parts(of: block.time, duration: Double(count) / rate)
        if parts.isEmpty { isOver = isOver || timeline.isOver(at: block.time) }
        for part in parts {
            let first = min(count, max(0, Int((part.offset * rate).rounded())))
            let length = min(count - first, Int((part.duration * rate).rounded()))
            guard length > 0 else { continue }
            end = max(end, part.presentation + part.duration)
            if end > plan.timeLimit { try plan.refuseTime(end) }
            let planes = block.planes.map { $0[first..<(first + length)] }
            let correction = try grid.put(planes, at: part.presentation) { ready.append($0) }
            if correction != 0 { resampler.compensate(correction, over: resampler.sampleRate / 2) }
        }
    }
}
