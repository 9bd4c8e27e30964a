internal import CFFmpeg

/// Changes an H.264 stream that is copied: leaves out units that MP4 doesn't want in samples, writes the BT.709 tags
/// that are missing.
final class BitstreamFilter {
    private var context: UnsafeMutablePointer<AVBSFContext>?

    /// `nil` where nothing has to be changed.
    init?(_ stream: Stream, removesForeignUnits: Bool, addsTags: Bool) throws {
        var steps: [String] = []
        // Sequence and picture parameter sets, delimiters, filling.
        if removesForeignUnits { steps.append("filter_units=remove_types=7-9|12") }
        if addsTags {
            steps.append(
                "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"
                    + ":video_full_range_flag=0")
        }
        if steps.isEmpty { return nil }
        try check(
            av_bsf_list_parse_str(steps.joined(separator: ","), &context), .internal,
            "libavcodec was built without its filters for H.264")
        guard let context else { throw MediaError.outOfMemory }
        try check(
            avcodec_parameters_copy(context.pointee.par_in, stream.pointer.pointee.codecpar), .internal,
            "the H.264 parameters can't be copied")
        context.pointee.time_base_in = stream.pointer.pointee.time_base
        try check(av_bsf_init(context), .sourceCorrupt, "the H.264 parameter sets can't be read")
    }

    deinit { av_bsf_free(&context) }

    /// The stream's description after the changes. Valid as long as the filter.
    var parameters: UnsafeMutablePointer<AVCodecParameters>? { context?.pointee.par_out }

    /// Filters a packet in place.
    func filter(_ packet: Packet) throws {
        try check(av_bsf_send_packet(context, packet.pointer), .sourceCorrupt, "an H.264 picture can't be read")
        try check(av_bsf_receive_packet(context, packet.pointer), .sourceCorrupt, "an H.264 picture can't be read")
    }

    private func check(_ result: Int32, _ code: MediaError.Code, _ what: String) throws {
        guard result >= 0 else { throw MediaError(code, what, libav: result) }
    }
}
