/// Whether all of the source arrived: a broken transfer must never look like a short video.
enum Completeness {
    /// How far decoded time may stay behind the container's: the contract's max(0.5 s, 1 %).
    static func tolerance(_ seconds: Double) -> Double { max(0.5, seconds / 100) }

    /// Throws `source_truncated` or `source_corrupt` where something is missing.
    static func check(_ info: MediaInfo, _ video: VideoTrack, _ audio: AudioTrack?, _ plan: Plan) throws {
        try checkDamage("picture", video.damage)
        if let audio { try checkDamage("sound", audio.damage) }
        let videoEnd = plan.copiesVideo ? video.end : video.decodedEnd
        // A length of the whole container is reached by the stream that lasts longest.
        let longest = max(videoEnd, audio?.lastHeard ?? 0)
        try checkEnd("picture", info.video.endsWithContainer ? longest : videoEnd, info.video.end)
        // libavformat gives a track of which nothing comes the whole container's length.
        if let audio, !audio.isSilent {
            // Sound beyond a copied picture is cut: it isn't much, or the picture would be encoded.
            let declared = audio.isOver ? info.audio?.end.map { min($0, videoEnd) } : info.audio?.end
            try checkEnd("sound", info.audio?.endsWithContainer == true ? longest : audio.end, declared)
        }
        if let checked = video.checked { try checkDamage("checked pictures", checked) }
        if let checked = audio?.checked { try checkDamage("checked sound", checked) }
        if let audio, plan.copiesAudio {
            let count = info.audio?.samples?.table.count ?? 0
            if audio.packetsSeen < count, !audio.isOver {
                throw MediaError(
                    .sourceTruncated, "only \(audio.packetsSeen) of \(count) packets of sound arrived; fetch it again")
            }
            let packet = Double(AudioEncoder.packetSamples) / Double(max(1, info.audio?.sampleRate ?? 1))
            // The plan lets the sound end a frame before the picture, as its index told that.
            if audio.end < video.end - max(packet, plan.frameSeconds) - 0.000_1 {
                throw MediaError(
                    .sourceCorrupt, "the picture is longer than its index says; fetch or export the video again")
            }
        }
        if plan.copiesVideo, let table = info.video.samples?.table, video.copied < table.count {
            throw MediaError(
                .sourceTruncated, "only \(video.copied) of \(table.count) pictures arrived; fetch it again")
        }
    }

    /// What was concealed, for the report.
    static func warnings(_ video: VideoTrack, _ audio: AudioTrack?) -> [String] {
        var found = [("pictures", video.damage), ("packets of sound", audio?.damage ?? (0, 0))].compactMap {
            name, damage in
            damage.damaged > 0 ? "\(damage.damaged) of \(damage.packets) \(name) were damaged and concealed" : nil
        }
        if audio?.isSilent == true { found.append("the source declares a track of sound and has no sound in it") }
        for (name, checked) in [("pictures", video.checked), ("packets of sound", audio?.checked)] {
            guard let checked, checked.damaged > 0 else { continue }
            found.append("\(checked.damaged) of \(checked.packets) \(name) that were checked are damaged")
        }
        return found
    }

    /// Throws `source_corrupt` where more than 1 % of the packets are damaged; one always may be.
    static func checkDamage(_ what: String, _ damage: (packets: Int, damaged: Int)) throws {
        guard damage.damaged > max(1, damage.packets / 100) else { return }
        throw MediaError(
            .sourceCorrupt,
            "\(damage.damaged) of \(damage.packets) packets of the \(what) are damaged; fetch or export the video again"
        )
    }

    /// Throws `source_truncated` where what was decoded or listed stays too far behind what the container declares.
    static func checkEnd(_ what: String, _ decoded: Double, _ declared: Double?) throws {
        guard let declared, declared - decoded > tolerance(declared) else { return }
        func short(_ seconds: Double) -> String { "\((seconds * 10).rounded() / 10)" }
        throw MediaError(
            .sourceTruncated,
            "the \(what) ends at \(short(decoded)) s of \(short(declared)) s; fetch or export the video again")
    }
}
