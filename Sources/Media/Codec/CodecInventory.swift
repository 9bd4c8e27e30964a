internal import CFFmpeg

/// Whether the libraries the program runs with can do what it needs: distributions leave codecs out.
public enum CodecInventory {
    /// The libraries' own version.
    public static var version: String { String(cString: av_version_info()) }

    /// Names of encoders without which no video can be made.
    public static var missingEncoders: [String] {
        ["libx264", "aac"].filter { avcodec_find_encoder_by_name($0) == nil }
    }

    /// Names of decoders of what cameras, phones and editing programs write.
    public static var missingDecoders: [String] {
        let codecs: [(name: String, id: AVCodecID)] = [
            ("h264", AV_CODEC_ID_H264), ("hevc", AV_CODEC_ID_HEVC), ("vp9", AV_CODEC_ID_VP9), ("av1", AV_CODEC_ID_AV1),
            ("mpeg4", AV_CODEC_ID_MPEG4), ("mpeg2video", AV_CODEC_ID_MPEG2VIDEO), ("prores", AV_CODEC_ID_PRORES),
            ("aac", AV_CODEC_ID_AAC), ("mp3", AV_CODEC_ID_MP3), ("opus", AV_CODEC_ID_OPUS), ("ac3", AV_CODEC_ID_AC3),
            ("pcm_s16le", AV_CODEC_ID_PCM_S16LE),
        ]
        return codecs.filter { avcodec_find_decoder($0.id) == nil }.map(\.name)
    }

    /// Why libavfilter, which turns and deinterlaces pictures, can't be used; `nil`: it can.
    public static var filterObstacle: MediaError? {
        do throws(MediaError) {
            _ = try FilterGraph.openLibrary()
            return nil
        } catch {
            return error
        }
    }
}
