internal import CFFmpeg
internal import Foundation

/// Where a decoder puts its pictures: `PictureMemory`, made anew when they change their size.
final class DecodedPictures: @unchecked Sendable {  // everything that changes is touched with the lock held
    private let lock = NSLock()
    private var place: Place?

    /// Memory for pictures of one kind, and how they lie in it.
    private struct Place {
        let width: Int32
        let height: Int32
        let format: Int32
        /// As the codec's motion compensation wants them.
        let alignedWidth: Int32
        let alignedHeight: Int32
        let memory: PictureMemory
    }

    /// Smaller pictures lie on few pages anyway.
    private static let leastBytes: Int32 = 1 << 16
    /// What libavcodec keeps behind its own buffers, whose vectors are up to 64 bytes long.
    private static let padding = 16 + 64

    /// Has a decoder put its pictures here. To be called before it is opened; the caller keeps this until the context is
    /// freed. Pictures may outlive both.
    func serve(_ context: UnsafeMutablePointer<AVCodecContext>, _ codec: UnsafePointer<AVCodec>) {
        // Sound, and codecs that bring memory of their own.
        guard codec.pointee.type == AVMEDIA_TYPE_VIDEO, codec.pointee.capabilities & AV_CODEC_CAP_DR1 != 0 else {
            return
        }
        context.pointee.opaque = Unmanaged.passUnretained(self).toOpaque()
        reelway_set_get_buffer(context) { context, frame, flags in
            guard let context, let frame, let owner = context.pointee.opaque else { return REELWAY_ENOMEM }
            let pictures = Unmanaged<DecodedPictures>.fromOpaque(owner).takeUnretainedValue()
            return pictures.fill(frame, context) ? 0 : avcodec_default_get_buffer2(context, frame, flags)
        }
    }

    /// Gives a frame its planes; false where libavcodec has to do it. Called by the codec's threads.
    private func fill(
        _ frame: UnsafeMutablePointer<AVFrame>, _ context: UnsafeMutablePointer<AVCodecContext>
    ) -> Bool {
        guard let place = place(for: frame, context), let buffer = place.memory.buffer() else { return false }
        let format = AVPixelFormat(place.format)
        let filled = withUnsafeMutableBytes(of: &frame.pointee.data) { data in
            withUnsafeMutableBytes(of: &frame.pointee.linesize) { strides in
                av_image_fill_arrays(
                    data.assumingMemoryBound(to: UnsafeMutablePointer<UInt8>?.self).baseAddress,
                    strides.assumingMemoryBound(to: Int32.self).baseAddress, buffer.pointee.data, format,
                    place.alignedWidth, place.alignedHeight, 1)
            }
        }
        var owned: UnsafeMutablePointer<AVBufferRef>? = buffer
        guard filled >= 0 else {
            av_buffer_unref(&owned)
            return false
        }
        frame.pointee.buf.0 = owned
        return true
    }

    private func place(
        for frame: UnsafeMutablePointer<AVFrame>, _ context: UnsafeMutablePointer<AVCodecContext>
    ) -> Place? {
        let (width, height, format) = (frame.pointee.width, frame.pointee.height, frame.pointee.format)
        return lock.withLock {
            if let place, place.width == width, place.height == height, place.format == format { return place }
            place = Self.makePlace(width, height, format, context)
            return place
        }
    }

    private static func makePlace(
        _ width: Int32, _ height: Int32, _ format: Int32, _ context: UnsafeMutablePointer<AVCodecContext>
    ) -> Place? {
        // A palette, or memory of a device, isn't planes alone.
        let unfit = UInt64(AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM)
        guard let kind = av_pix_fmt_desc_get(AVPixelFormat(format)), kind.pointee.flags & unfit == 0 else { return nil }
        var (alignedWidth, alignedHeight) = (width, height)
        var alignments = [Int32](repeating: 1, count: Int(AV_NUM_DATA_POINTERS))
        avcodec_align_dimensions2(context, &alignedWidth, &alignedHeight, &alignments)
        // All planes' rows have to be aligned, and those of chroma to stay in their proportion to luma's.
        var strides = [Int32](repeating: 0, count: 4)
        while true {
            guard av_image_fill_linesizes(&strides, AVPixelFormat(format), alignedWidth) >= 0 else { return nil }
            if zip(strides, alignments).allSatisfy({ $0 % max($1, 1) == 0 }) { break }
            alignedWidth += alignedWidth & -alignedWidth
        }
        let bytes = av_image_get_buffer_size(AVPixelFormat(format), alignedWidth, alignedHeight, 1)
        guard bytes >= leastBytes else { return nil }
        return Place(
            width: width, height: height, format: format, alignedWidth: alignedWidth, alignedHeight: alignedHeight,
            memory: PictureMemory(pictureBytes: Int(bytes) + padding))
    }
}
