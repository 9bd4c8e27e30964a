/// The program's own judge: does a finished file keep every limit of its profile?
///
/// It reads what was written and nothing else, so a fault of the planner, of libavformat or of the bit streams
/// themselves shows up all the same. Instagram's answer to a file it does not like names no reason; this one does.
///
/// Rules, by the name that a violation carries:
///
/// - file: `container` `moov_first` `box_order` `fragmented` `file_tiling` `file_size` `movie` `metadata`
/// - tracks: `video_tracks` `audio_tracks` `other_tracks` `edit_list` `encrypted` `sample_entries` `sample_table`
///   `media_offsets` `declared_duration` `duration` `start_time` `timestamps` `track_ends`
/// - picture: `video_codec` `video_profile` `progressive` `pixel_format` `even_size` `frame_size` `declared_size`
///   `pixel_aspect` `colour_tags` `rotation` `constant_frame_rate` `frame_interval` `frame_rate` `first_key_frame`
///   `key_frame_interval` `closed_gop` `video_bitrate` `peak_bitrate`
/// - sound: `audio_codec` `audio_sample_rate` `audio_channels` `audio_bitrate` `audio_timing`
///
/// What only decoding can show (an SPS inside the samples, a sample that is no picture) is not judged here.
struct Conformance {
    let layout: FileLayout
    let movie: Movie?
    let fileBytes: Int64
    let profile: Profile
    let copiedVideo: Bool
    let copiedAudio: Bool
    private(set) var violations: [Report.Violation] = []

    /// What Instagram says of a file whose format it does not take (IG "Error Codes").
    static let formatCode = 2_207_026
    /// What Instagram has been seen to say of a duration, size or resolution that it does not take.
    static let limitCode = 2_207_085

    /// Reads a finished file and judges it.
    ///
    /// - Parameters:
    ///   - copiedVideo: the picture was copied and keeps what phones always do: a rotation by the track's matrix,
    ///     Baseline or Main profile, rarer key frames, a variable frame rate.
    ///   - copiedAudio: the sound was copied.
    /// - Throws: what the source throws.
    static func judge(
        _ source: any ByteSource, profile: Profile, copiedVideo: Bool = false, copiedAudio: Bool = false
    ) throws -> Report.ConformanceVerdict {
        guard let layout = try FileLayout.scan(source, through: .end) else {
            let violation = Report.Violation(
                rule: "container", found: "a file that does not begin with an MP4 box", required: "MP4",
                instagramCode: formatCode)
            return Report.ConformanceVerdict(ready: false, failures: [violation])
        }
        var judge = Conformance(
            layout: layout, movie: layout.moov.flatMap { Movie($0) },
            fileBytes: source.length ?? layout.boxes.last?.end ?? 0, profile: profile, copiedVideo: copiedVideo,
            copiedAudio: copiedAudio)
        judge.run()
        return Report.ConformanceVerdict(ready: judge.violations.isEmpty, failures: judge.violations)
    }

    /// Judges what has been read of a file of `fileBytes` bytes; empty where it keeps every rule.
    static func check(
        layout: FileLayout, movie: Movie, fileBytes: Int64, profile: Profile, copiedVideo: Bool, copiedAudio: Bool
    ) -> [Report.Violation] {
        var judge = Conformance(
            layout: layout, movie: movie, fileBytes: fileBytes, profile: profile, copiedVideo: copiedVideo,
            copiedAudio: copiedAudio)
        judge.run()
        return judge.violations
    }

    private init(
        layout: FileLayout, movie: Movie?, fileBytes: Int64, profile: Profile, copiedVideo: Bool, copiedAudio: Bool
    ) {
        self.layout = layout
        self.movie = movie
        self.fileBytes = fileBytes
        self.profile = profile
        self.copiedVideo = copiedVideo
        self.copiedAudio = copiedAudio
    }

    mutating func report(_ rule: String, found: String, required: String, code: Int? = formatCode) {
        violations.append(
            Report.Violation(rule: rule, found: found, required: required, instagramCode: code))
    }

    private mutating func run() {
        checkContainer()
        guard let movie else {
            report("movie", found: "no readable movie box", required: "a movie box that describes the file")
            return
        }
        checkTracks(movie)
        checkMetadata(movie)
        let video = movie.tracks(of: "vide").first
        let audio = movie.tracks(of: "soun").first
        if let video {
            checkPicture(video)
            if checkSamples(video, name: "video") { checkVideoTiming(video) }
        }
        if let audio {
            checkSound(audio)
            if checkSamples(audio, name: "audio") { checkSoundTiming(audio) }
        }
        checkDurations(movie, video: video, audio: audio)
    }
}

// MARK: - File

extension Conformance {
    private mutating func checkContainer() {
        let types = layout.boxes.map(\.type)
        if types.first != "ftyp" || layout.majorBrand == "qt  " {
            let found =
                types.first == "ftyp" ? "a QuickTime file" : "a file that begins with \(types.first ?? "nothing")"
            report("container", found: found, required: "an MP4 that begins with ftyp")
        }
        let movieIndex = types.firstIndex(of: "moov")
        let mediaIndex = types.firstIndex(of: "mdat")
        if let mediaIndex, mediaIndex < movieIndex ?? .max {
            report("moov_first", found: "the movie box behind the media", required: "moov in front of mdat")
        } else if types.filter({ $0 != "free" }) != ["ftyp", "moov", "mdat"] {
            let list = types.prefix(8).joined(separator: " ") + (types.count > 8 ? " …" : "")
            report("box_order", found: list, required: "ftyp, moov and mdat, once each and in this order")
        }
        if movie?.isFragmented == true || types.contains("moof") {
            report("fragmented", found: "movie fragments", required: "one movie box that describes all samples")
        }
        if let truncated = layout.truncatedBox {
            report(
                "file_tiling", found: "\(truncated.type) reaches to \(truncated.end) in a file of \(fileBytes) bytes",
                required: "boxes that fill the file exactly")
        } else if layout.malformedOffset != nil || layout.boxes.last?.end != fileBytes {
            let end = layout.malformedOffset ?? layout.boxes.last?.end ?? 0
            report(
                "file_tiling", found: "boxes up to \(end) in a file of \(fileBytes) bytes",
                required: "boxes that fill the file exactly")
        }
        if let maximum = profile.maximumBytes, fileBytes > maximum {
            report("file_size", found: "\(fileBytes) bytes", required: "at most \(maximum) bytes", code: Self.limitCode)
        }
    }

    private mutating func checkTracks(_ movie: Movie) {
        let videoCount = movie.tracks(of: "vide").count
        let audioCount = movie.tracks(of: "soun").count
        if videoCount != 1 {
            report("video_tracks", found: "\(videoCount) video tracks", required: "exactly one video track")
        }
        if audioCount > 1 {
            report("audio_tracks", found: "\(audioCount) audio tracks", required: "at most one audio track")
        }
        let others = movie.tracks.map(\.handler).filter { $0 != "vide" && $0 != "soun" }
        if !others.isEmpty {
            let list = others.prefix(8).map { $0.isEmpty ? "unreadable" : $0 }.joined(separator: ", ")
            report("other_tracks", found: "tracks of kind \(list)", required: "no tracks but video and audio")
        }
        for track in movie.tracks {
            if track.hasEditList {
                report("edit_list", found: "an edit list in track \(track.id)", required: "no edit list in any track")
            }
            if track.isEncrypted {
                report("encrypted", found: "encrypted samples in track \(track.id)", required: "samples in the clear")
            }
            if track.descriptionCount != 1 {
                report(
                    "sample_entries", found: "\(track.descriptionCount) sample descriptions in track \(track.id)",
                    required: "one sample description for the whole track")
            }
        }
    }

    /// The name of the program that wrote a file says nothing about who took it, with what and where.
    private static let harmlessMetadata: Set<String> = ["meta/©too", "udta/©too", "udta/©enc"]

    private mutating func checkMetadata(_ movie: Movie) {
        var names = movie.metadata.filter { !Self.harmlessMetadata.contains($0) }
        names += layout.boxes.map(\.type).filter { $0 == "uuid" || $0 == "meta" || $0 == "udta" }
        if !names.isEmpty {
            let list = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " …" : "")
            report("metadata", found: list, required: "no location, device or other metadata", code: nil)
        }
    }
}
