internal import CFFmpeg

/// Which streams are kept, and why the others are not.
struct StreamSelection {
    private let streams: [Stream]
    private let movie: Movie?
    private let fragments: [UInt32: FragmentCheck.Extent]
    private(set) var skipped: [Report.SkippedTrack] = []

    /// - Parameter fragments: what the tracks of a fragmented movie hold, where that is known.
    init(_ streams: [Stream], _ movie: Movie?, _ fragments: [UInt32: FragmentCheck.Extent]) {
        self.streams = streams
        self.movie = movie
        self.fragments = fragments
        for stream in streams {
            if case .other(let kind) = stream.kind { skip(stream, kind, "is not needed") }
        }
    }

    /// The largest moving picture that can be decoded, unless it only goes with another; among equals the default one.
    mutating func bestVideo(_ name: String) throws -> Stream {
        var candidates: [Stream] = []
        var refusal: MediaError?
        for stream in streams where stream.kind == .video {
            if stream.isStill {
                skip(stream, "video", "is a cover picture")
            } else if isEncrypted(stream) {
                refusal = MediaError(
                    .unsupportedVideoCodec, "the video of \(name) is encrypted; export it without protection")
                skip(stream, "video", "is encrypted")
            } else if stream.dolbyVisionProfile == 5 {
                refusal = MediaError(
                    .unsupportedVideoCodec,
                    "Dolby Vision profile 5 has no compatible base layer; export the video as HLG, HDR10 or SDR")
                skip(stream, "video", "is Dolby Vision profile 5")
            } else if !stream.hasDecoder {
                refusal = MediaError(
                    .unsupportedVideoCodec,
                    "the video codec \(stream.codecName) of \(name) can't be decoded; export it as H.264 or HEVC")
                skip(stream, "video", "has no decoder")
            } else if stream.parameters.width <= 0 || stream.parameters.height <= 0 {
                refusal = MediaError(
                    .sourceCorrupt,
                    "no picture near the start of \(name) can be decoded (\(stream.codecName)); export it again")
                skip(stream, "video", "has no size")
            } else {
                candidates.append(stream)
            }
        }
        func rank(_ stream: Stream) -> (Int, Int, Int, Int) {
            (
                isAuxiliary(stream) ? 0 : 1, Int(stream.parameters.width) * Int(stream.parameters.height),
                stream.isDefault ? 1 : 0, -stream.index
            )
        }
        guard let best = candidates.max(by: { rank($0) < rank($1) }) else {
            if let refusal { throw refusal }
            throw MediaError(.noVideoStream, "\(name) has no video track; give a video")
        }
        for other in candidates where other.index != best.index { skip(other, "video", "another picture is better") }
        return best
    }

    /// The default sound that can be decoded, else the first.
    mutating func bestAudio() throws -> Stream? {
        var candidates: [Stream] = []
        for stream in streams where stream.kind == .audio {
            if isEncrypted(stream) {
                skip(stream, "audio", "is encrypted")
            } else if let type = unknownEntry(stream) {
                skipped.append(
                    Report.SkippedTrack(index: stream.index, kind: "audio", codec: type, reason: "has no decoder"))
            } else if !stream.hasDecoder {
                skip(stream, "audio", "has no decoder")
            } else if stream.parameters.sample_rate <= 0 || stream.parameters.ch_layout.nb_channels <= 0
                || fragments[UInt32(truncatingIfNeeded: stream.id)]?.samples == 0
            {
                skipped.append(StreamSelection.silent(stream))
            } else if !Resampler.sourceRates.contains(Int(stream.parameters.sample_rate)) {
                skip(stream, "audio", "has a sample rate of \(stream.parameters.sample_rate) Hz")
            } else {
                candidates.append(stream)
            }
        }
        var best: Stream?
        for stream in candidates.filter(\.isDefault) + candidates.filter({ !$0.isDefault }) {
            if best != nil {
                skip(stream, "audio", "another sound is kept")
            } else if try canBeDecoded(stream) {
                best = stream
            } else {
                skip(stream, "audio", "can't be decoded")
            }
        }
        return best
    }

    /// Whether the decoder takes it: there is one for AAC, but not for all that goes by this name (xHE-AAC).
    private func canBeDecoded(_ stream: Stream) throws -> Bool {
        do {
            _ = try Decoder(stream, threads: 1)
            return true
        } catch let error as MediaError where error.code != .outOfMemory {
            return false
        }
    }

    /// The sample entry of sound that only claims to be AAC: Apple's `apac` carries a descriptor that libavformat
    /// takes for AAC's, and decoding it gives noise.
    private func unknownEntry(_ stream: Stream) -> String? {
        guard let type = track(stream)?.description.type else { return nil }
        return type == "apac" ? type : nil
    }

    private func isEncrypted(_ stream: Stream) -> Bool { track(stream)?.description.isEncrypted == true }

    /// A track that belongs to the picture and isn't one: the depth of a cinematic video, or its transparency.
    private func isAuxiliary(_ stream: Stream) -> Bool { track(stream)?.handler == "auxv" }

    private func track(_ stream: Stream) -> Track? { movie?.tracks.first { Int($0.id) == stream.id } }

    /// What is reported of a track of sound without any.
    static func silent(_ stream: Stream) -> Report.SkippedTrack {
        Report.SkippedTrack(index: stream.index, kind: "audio", codec: stream.codecName, reason: "holds no sound")
    }

    private mutating func skip(_ stream: Stream, _ kind: String, _ reason: String) {
        skipped.append(
            Report.SkippedTrack(index: stream.index, kind: kind, codec: stream.codecName, reason: reason))
    }
}
