internal import CFFmpeg

/// Brings any decoded picture to what the encoder takes: upright, square pixels, the planned size, 4:2:0 8 bit,
/// BT.709 limited range.
///
/// ```
/// decoded ─▶ libswscale: size, sampling, depth ─▶ ColorConverter: matrix, range, gamut, tone ─▶ turn ─▶ encoder
///            nothing to do: skipped               already BT.709: skipped                       upright: skipped
/// ```
///
/// Scaling comes first, as everything behind it then works on fewer pixels (tone-mapping at 4K costs four times as
/// much). A picture whose size changed in mid-stream is fitted into the planned size with black bars.
final class PictureConverter {
    /// What every picture becomes.
    struct Target: Sendable, Equatable {
        /// Upright size, even.
        var width: Int
        var height: Int
        var orientation: Orientation
        /// Colours a frame has when it doesn't say itself.
        var color: ColorDescription
        /// The first picture's pixel shape.
        var pixelAspect: Double

        /// Whether pictures as the source announces them need nothing done.
        func keeps(_ video: MediaInfo.Video) -> Bool {
            video.width == width && video.height == height && video.pixelFormat == "yuv420p"
                && orientation.filters == nil && !ColorConverter.isNeeded(video.color)
        }
    }

    private let target: Target
    private let threads: Int?
    private var key: Key?
    /// Where the scaled picture lies in the planned one.
    private var box: (x: Int, y: Int, width: Int, height: Int) = (0, 0, 0, 0)
    private var firstStatedAspect: Double?
    private var scaler: OpaquePointer?
    private var converter: ColorConverter?
    private var turner: FilterGraph?
    private var scaledPool: FramePool?
    private var convertedPool: FramePool?

    /// All that decides how a frame is converted.
    private struct Key: Equatable {
        var width: Int32
        var height: Int32
        var format: Int32
        var color: ColorDescription
        var aspect: Double
    }

    init(_ target: Target, threads: Int?) {
        self.target = target
        self.threads = threads
    }

    deinit { sws_freeContext(scaler) }

    /// The converted picture. It may be the very frame that was given, where there is nothing to do.
    func convert(_ frame: Frame) throws -> Frame {
        let key = Key(
            width: frame.pointer.pointee.width, height: frame.pointer.pointee.height,
            format: frame.pointer.pointee.format, color: FrameColor.description(of: frame, else: target.color),
            aspect: pixelAspect(of: frame))
        if key != self.key { try configure(key) }
        var picture = frame
        if scaledPool != nil { picture = try scale(picture, key) }
        if converter != nil { picture = try convertColor(picture) }
        if let filters = target.orientation.filters {
            let turner = try self.turner ?? FilterGraph(filters, for: picture, threads: threads)
            self.turner = turner
            var turned: Frame?
            try turner.filter(picture) { turned = $0 }
            guard let turned else { throw MediaError(.internal, "turning the picture gave nothing") }
            picture = turned
        }
        return picture
    }

    /// The planned shape is the container's word where it has one, which may differ from what the pictures say. So what
    /// they say is only held against what the first of them said.
    private func pixelAspect(of frame: Frame) -> Double {
        let stated = FrameColor.pixelAspect(of: frame) ?? 1
        let first = firstStatedAspect ?? stated
        firstStatedAspect = first
        return target.pixelAspect * stated / first
    }

    /// The size in front of the turn.
    private var storedSize: (width: Int, height: Int) {
        target.orientation.swapsSides ? (target.height, target.width) : (target.width, target.height)
    }

    private func configure(_ key: Key) throws {
        sws_freeContext(scaler)
        scaler = nil
        converter = nil
        turner = nil
        scaledPool = nil
        convertedPool = nil
        let (width, height) = storedSize
        let planar = PixelFormat.withoutJPEG(AVPixelFormat(key.format))
        let isRGB = PixelFormat.isRGB(planar)
        // RGB becomes BT.709 in the scaler itself; everything else keeps its colours until the ColorConverter.
        let needsColor = !isRGB && ColorConverter.isNeeded(key.color)
        let middle = needsColor ? AV_PIX_FMT_YUV420P10LE : AV_PIX_FMT_YUV420P
        if planar != middle || key.width != Int32(width) || key.height != Int32(height) {
            box = PictureConverter.fitted(key.width, key.height, key.aspect, into: (width, height))
            scaler = try makeScaler(key, planar, middle, isRGB: isRGB)
            scaledPool = FramePool(width: width, height: height, format: middle)
        }
        if needsColor {
            converter = ColorConverter(from: key.color)
            convertedPool = FramePool(width: width, height: height, format: AV_PIX_FMT_YUV420P)
        }
        self.key = key
    }

    /// The largest even rectangle of the picture's shape in the middle of the planned one; the whole of it where the
    /// shapes differ by less than two pixels' worth.
    static func fitted(
        _ width: Int32, _ height: Int32, _ aspect: Double, into size: (width: Int, height: Int)
    ) -> (x: Int, y: Int, width: Int, height: Int) {
        let shape = Double(width) * aspect / Double(max(1, height))
        let wide = min(Double(size.width), Double(size.height) * shape)
        let high = min(Double(size.height), Double(size.width) / shape)
        func even(_ value: Double, _ limit: Int) -> Int {
            limit - Int(value) < 4 ? limit : max(2, Int(value / 2) * 2)
        }
        let fitted = (even(wide, size.width), even(high, size.height))
        return ((size.width - fitted.0) / 4 * 2, (size.height - fitted.1) / 4 * 2, fitted.0, fitted.1)
    }

    private func makeScaler(
        _ key: Key, _ source: AVPixelFormat, _ destination: AVPixelFormat, isRGB: Bool
    ) throws -> OpaquePointer {
        // Without accurate rounding libswscale gives dark greys a tint.
        let flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT
        guard
            let scaler = sws_getContext(
                key.width, key.height, source, Int32(box.width), Int32(box.height), destination, flags, nil, nil, nil)
        else {
            throw MediaError(
                .unsupportedVideoCodec, "pictures in the pixel format \(PixelFormat.name(source)) can't be converted")
        }
        // The same colours in and out, but for RGB, which has to become what the output is tagged with.
        let colors = sws_getCoefficients(isRGB ? SWS_CS_ITU709 : SWS_CS_DEFAULT)
        let range: Int32 = key.color.fullRange ? 1 : 0
        sws_setColorspaceDetails(scaler, colors, isRGB ? 1 : range, colors, isRGB ? 0 : range, 0, 1 << 16, 1 << 16)
        return scaler
    }

    private func scale(_ frame: Frame, _ key: Key) throws -> Frame {
        guard let output = try scaledPool?.next() else { return frame }
        if box.width != output.width || box.height != output.height { PixelFormat.fillBlack(output) }
        var planes = PixelFormat.planes(of: output, x: box.x, y: box.y)
        let source = UnsafeMutableRawPointer(frame.pointer.pointee.extended_data)?
            .assumingMemoryBound(to: UnsafePointer<UInt8>?.self)
        let rows = withUnsafePointer(to: &frame.pointer.pointee.linesize.0) { strides in
            withUnsafePointer(to: &output.pointer.pointee.linesize.0) { outputStrides in
                sws_scale(scaler, source, strides, 0, key.height, &planes, outputStrides)
            }
        }
        guard rows == Int32(box.height) else { throw MediaError(.internal, "scaling the picture failed") }
        return output
    }

    private func convertColor(_ frame: Frame) throws -> Frame {
        guard let converter, let output = try convertedPool?.next() else { return frame }
        let from = frame.pointer.pointee
        let to = output.pointer.pointee
        guard let y = from.data.0, let cb = from.data.1, let cr = from.data.2, let outY = to.data.0,
            let outCb = to.data.1, let outCr = to.data.2
        else { throw MediaError.outOfMemory }
        func wide(_ plane: UnsafeMutablePointer<UInt8>) -> UnsafePointer<UInt16> {
            UnsafePointer(UnsafeMutableRawPointer(plane).assumingMemoryBound(to: UInt16.self))
        }
        converter.convert(
            width: frame.width, height: frame.height,
            from: ColorConverter.SourcePlanes(
                y: wide(y), cb: wide(cb), cr: wide(cr), yStride: Int(from.linesize.0 / 2),
                cbStride: Int(from.linesize.1 / 2), crStride: Int(from.linesize.2 / 2)),
            to: ColorConverter.TargetPlanes(
                y: outY, cb: outCb, cr: outCr, yStride: Int(to.linesize.0), cbStride: Int(to.linesize.1),
                crStride: Int(to.linesize.2)))
        return output
    }
}
