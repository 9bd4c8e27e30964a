internal import CFFmpeg

/// One stream of an open container. Valid as long as the demuxer that gave it.
struct Stream {
    let pointer: UnsafeMutablePointer<AVStream>

    enum Kind: Equatable {
        case video, audio, other(String)
    }

    var index: Int { Int(pointer.pointee.index) }
    /// The container's own number for the track.
    var id: Int { Int(pointer.pointee.id) }
    var parameters: AVCodecParameters { pointer.pointee.codecpar.pointee }
    var timeBase: Rational { Rational(pointer.pointee.time_base) }
    var averageRate: Rational { Rational(pointer.pointee.avg_frame_rate) }
    /// libavformat's guess of the rate all timestamps fit on.
    var baseRate: Rational { Rational(pointer.pointee.r_frame_rate) }
    var startTime: Timestamp? { Timestamp(pointer.pointee.start_time, timeBase) }
    /// Seconds of sound the decoder drops at the start.
    var decoderDelay: Double {
        let rate = Double(parameters.sample_rate)
        return rate > 0 ? Double(max(0, parameters.initial_padding)) / rate : 0
    }
    var duration: Timestamp? { Timestamp(pointer.pointee.duration, timeBase) }
    var isDefault: Bool { pointer.pointee.disposition & AV_DISPOSITION_DEFAULT != 0 }
    /// A cover or a thumbnail, not a moving picture.
    var isStill: Bool {
        pointer.pointee.disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS) != 0
    }

    var kind: Kind {
        switch parameters.codec_type {
        case AVMEDIA_TYPE_VIDEO: .video
        case AVMEDIA_TYPE_AUDIO: .audio
        case AVMEDIA_TYPE_SUBTITLE: .other("subtitle")
        case AVMEDIA_TYPE_DATA: .other("data")
        default: .other("unknown")
        }
    }

    /// libav's name of the codec; the file's four characters where libav has none.
    var codecName: String {
        if parameters.codec_id != AV_CODEC_ID_NONE { return String(cString: avcodec_get_name(parameters.codec_id)) }
        let tag = parameters.codec_tag
        let characters = (0..<4).map { UInt8(truncatingIfNeeded: tag >> ($0 * 8)) }
        guard tag != 0, characters.allSatisfy({ (0x20..<0x7f).contains($0) }) else { return "unknown" }
        return String(decoding: characters, as: UTF8.self)
    }

    var profileName: String? {
        avcodec_profile_name(parameters.codec_id, parameters.profile).map { String(cString: $0) }
    }

    /// Notes what decoding would tell of an H.264 stream whose parameter sets say as much, and no other size than the
    /// container. Answers whether they do.
    func takeAnnouncedForm() -> Bool {
        guard parameters.codec_id == AV_CODEC_ID_H264, let sequence = ParameterSets(extradata)?.sequence,
            sequence.is8Bit420, sequence.isFrameOnly, let reordered = sequence.usability?.maximumReorderedFrames,
            let form = pointer.pointee.codecpar,
            sequence.width == form.pointee.width, sequence.height == form.pointee.height
        else { return false }
        let isConstrainedBaseline = sequence.profile == FF_PROFILE_H264_BASELINE && sequence.constraints & 0x40 != 0
        form.pointee.format =
            (sequence.usability?.isFullRange == true ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P).rawValue
        form.pointee.profile = Int32(sequence.profile) | (isConstrainedBaseline ? FF_PROFILE_H264_CONSTRAINED : 0)
        form.pointee.level = Int32(sequence.level)
        form.pointee.field_order = AV_FIELD_PROGRESSIVE
        form.pointee.video_delay = Int32(reordered)
        return true
    }

    /// The codec's own description: `avcC`'s payload, AudioSpecificConfig, parameter sets behind start codes …
    var extradata: [UInt8] {
        guard let data = parameters.extradata, parameters.extradata_size > 0 else { return [] }
        return Array(UnsafeBufferPointer(start: data, count: Int(parameters.extradata_size)))
    }

    /// Whether this machine can decode it.
    var hasDecoder: Bool { avcodec_find_decoder(parameters.codec_id) != nil }

    /// The matrix that turns the stored picture upright, row by row, as in `tkhd`.
    var displayMatrix: [Int32]? {
        var size = 0
        guard let data = av_stream_get_side_data(pointer, AV_PKT_DATA_DISPLAYMATRIX, &size), size >= 36 else {
            return nil
        }
        return data.withMemoryRebound(to: Int32.self, capacity: 9) { Array(UnsafeBufferPointer(start: $0, count: 9)) }
    }

    /// Dolby Vision's profile number, where the stream says it is Dolby Vision.
    var dolbyVisionProfile: Int? {
        var size = 0
        guard let data = av_stream_get_side_data(pointer, AV_PKT_DATA_DOVI_CONF, &size), size >= 4 else { return nil }
        // AVDOVIDecoderConfigurationRecord begins: version major, version minor, profile, level.
        return Int(data[2])
    }
}
