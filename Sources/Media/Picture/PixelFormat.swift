internal import CFFmpeg

/// What has to be known of libav's pixel formats.
enum PixelFormat {
    /// The same format without JPEG's implied full range, which libswscale wants told separately.
    static func withoutJPEG(_ format: AVPixelFormat) -> AVPixelFormat {
        switch format {
        case AV_PIX_FMT_YUVJ420P: AV_PIX_FMT_YUV420P
        case AV_PIX_FMT_YUVJ422P: AV_PIX_FMT_YUV422P
        case AV_PIX_FMT_YUVJ444P: AV_PIX_FMT_YUV444P
        case AV_PIX_FMT_YUVJ440P: AV_PIX_FMT_YUV440P
        case AV_PIX_FMT_YUVJ411P: AV_PIX_FMT_YUV411P
        default: format
        }
    }

    static func isJPEG(_ format: AVPixelFormat) -> Bool { withoutJPEG(format) != format }

    /// Red, green and blue in each pixel.
    static func isRGB(_ format: AVPixelFormat) -> Bool { has(AV_PIX_FMT_FLAG_RGB, format) }

    /// Numbers of colours in a palette.
    static func isPaletted(_ format: AVPixelFormat) -> Bool { has(AV_PIX_FMT_FLAG_PAL, format) }

    private static func has(_ flag: Int32, _ format: AVPixelFormat) -> Bool {
        av_pix_fmt_desc_get(format).map { $0.pointee.flags & UInt64(flag) != 0 } ?? false
    }

    static func name(_ format: AVPixelFormat) -> String {
        av_get_pix_fmt_name(format).map { String(cString: $0) } ?? "unknown"
    }

    /// Pointers to the pixel (x, y), both even, in each plane of a 4:2:0 picture.
    static func planes(of frame: Frame, x: Int, y: Int) -> [UnsafeMutablePointer<UInt8>?] {
        let raw = frame.pointer.pointee
        let bytes = frame.format == AV_PIX_FMT_YUV420P10LE ? 2 : 1
        return [
            raw.data.0?.advanced(by: y * Int(raw.linesize.0) + x * bytes),
            raw.data.1?.advanced(by: y / 2 * Int(raw.linesize.1) + x / 2 * bytes),
            raw.data.2?.advanced(by: y / 2 * Int(raw.linesize.2) + x / 2 * bytes), nil,
        ]
    }

    /// Paints a picture black in limited range.
    static func fillBlack(_ frame: Frame) {
        let raw = frame.pointer.pointee
        var data = [raw.data.0, raw.data.1, raw.data.2, raw.data.3]
        var strides = [raw.linesize.0, raw.linesize.1, raw.linesize.2, raw.linesize.3].map { Int($0) }
        av_image_fill_black(&data, &strides, frame.format, AVCOL_RANGE_MPEG, raw.width, raw.height)
    }
}

/// What a frame says of its colours and of the shape of its pixels.
enum FrameColor {
    /// The frame's own description; what it leaves open is taken from `fallback`.
    static func description(of frame: Frame, else fallback: ColorDescription) -> ColorDescription {
        let raw = frame.pointer.pointee
        let isPaletted = PixelFormat.isPaletted(frame.format)
        let isFull =
            raw.color_range == AVCOL_RANGE_JPEG || PixelFormat.isJPEG(frame.format)
            || (raw.color_range == AVCOL_RANGE_UNSPECIFIED && fallback.fullRange)
        return ColorDescription(
            primaries: known(raw.color_primaries.rawValue, else: fallback.primaries),
            transfer: known(raw.color_trc.rawValue, else: fallback.transfer),
            matrix: isPaletted ? paletteMatrix : known(raw.colorspace.rawValue, else: fallback.matrix),
            fullRange: isFull && !isPaletted,
            peakNits: fallback.peakNits ?? peakNits(of: frame))
    }

    /// libswscale turns a palette into BT.601 in limited range, whatever it is told.
    private static let paletteMatrix = 6

    /// A code point of ITU-T H.273 as libav has it, unless it says nothing.
    static func known(_ code: UInt32, else other: Int) -> Int { code == 2 || code == 0 ? other : Int(code) }

    /// Width of a pixel over its height; `nil` where the frame doesn't say.
    static func pixelAspect(of frame: Frame) -> Double? {
        let aspect = Rational(frame.pointer.pointee.sample_aspect_ratio).value
        return aspect > 0.05 && aspect < 20 ? aspect : nil
    }

    /// The brightest light by the content light level or the mastering display's data.
    static func peakNits(of frame: Frame) -> Double? {
        if let side = av_frame_get_side_data(frame.pointer, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL),
            let data = side.pointee.data, side.pointee.size >= MemoryLayout<AVContentLightMetadata>.size
        {
            let level = UnsafeRawPointer(data).loadUnaligned(as: AVContentLightMetadata.self).MaxCLL
            if level > 0 { return Double(level) }
        }
        if let side = av_frame_get_side_data(frame.pointer, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA),
            let data = side.pointee.data, side.pointee.size >= MemoryLayout<AVMasteringDisplayMetadata>.size
        {
            let display = UnsafeRawPointer(data).loadUnaligned(as: AVMasteringDisplayMetadata.self)
            let peak = Rational(display.max_luminance).value
            if display.has_luminance != 0, peak > 0 { return peak }
        }
        return nil
    }
}
