internal import CFFmpeg

/// Writes the BT.709 tags into an H.264 stream that is copied and lacks them.
final class BitstreamFilter {
    private var context: UnsafeMutablePointer<AVBSFContext>?

    init(_ stream: Stream) throws {
        guard let filter = av_bsf_get_by_name("h264_metadata"), av_bsf_alloc(filter, &context) >= 0, let context,
            avcodec_parameters_copy(context.pointee.par_in, stream.pointer.pointee.codecpar) >= 0
        else { throw MediaError(.internal, "libavcodec was built without its h264_metadata filter") }
        context.pointee.time_base_in = stream.pointer.pointee.time_base
        for (name, value) in [
            ("colour_primaries", 1), ("transfer_characteristics", 1), ("matrix_coefficients", 1),
            ("video_full_range_flag", 0),
        ] { av_opt_set_int(context.pointee.priv_data, name, Int64(value), 0) }
        guard av_bsf_init(context) >= 0 else {
            throw MediaError(.sourceCorrupt, "the H.264 parameter sets can't be read: \(LibavLog.describe(-1))")
        }
    }

    deinit { av_bsf_free(&context) }

    /// The stream's description with the tags in it. Valid as long as the filter.
    var parameters: UnsafeMutablePointer<AVCodecParameters>? { context?.pointee.par_out }

    /// Filters a packet in place.
    func filter(_ packet: Packet) throws {
        guard av_bsf_send_packet(context, packet.pointer) >= 0, av_bsf_receive_packet(context, packet.pointer) >= 0
        else {
            throw MediaError(.sourceCorrupt, "an H.264 picture can't be read: \(LibavLog.describe(-1))")
        }
    }
}
