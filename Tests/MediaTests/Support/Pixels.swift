import Foundation

/// Decoded pictures, by the `ffmpeg` program.
enum Pixels {
    /// One picture in planar 8-bit Y, Cb, Cr (4:2:0), exactly as stored, or as converted by `filter`.
    struct Picture {
        var width: Int
        var height: Int
        var bytes: [UInt8]

        /// The mean code values of a square of `side` pixels around a point.
        func codes(x: Int, y: Int, side: Int = 8) -> SIMD3<UInt8> {
            let (w, h) = (width / 2, height / 2)
            func mean(_ offset: Int, _ stride: Int, _ x: Int, _ y: Int, _ side: Int) -> UInt8 {
                var sum = 0
                for row in 0..<side {
                    for column in 0..<side {
                        sum += Int(bytes[offset + (y - side / 2 + row) * stride + x - side / 2 + column])
                    }
                }
                return UInt8((sum + side * side / 2) / (side * side))
            }
            return SIMD3(
                mean(0, width, x, y, side), mean(width * height, w, x / 2, y / 2, side / 2),
                mean(width * height + w * h, w, x / 2, y / 2, side / 2))
        }
    }

    /// The picture shown at `time` seconds, upright as a player shows it. The size must be even.
    static func picture(of path: String, at time: Double, filter: String = "null") throws -> Picture {
        let probe = try FFprobe.read(path)
        let frame = try Shell.ffmpeg(
            ["-ss", "\(time)", "-i", path, "-map", "0:v:0", "-vf", filter]
                + ["-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"])
        let turned = probe.video?.sideDataList?.contains { abs($0.rotation ?? 0) == 90 } ?? false
        var (width, height) = (probe.video?.width ?? 0, probe.video?.height ?? 0)
        if turned { (width, height) = (height, width) }
        guard width > 0, frame.count == width * height + 2 * ((width + 1) / 2) * ((height + 1) / 2) else {
            throw Shell.Failure(description: "no picture of \(width)x\(height) at \(time) s in \(path)")
        }
        return Picture(width: width, height: height, bytes: [UInt8](frame))
    }

    /// Every picture, scaled to `width` x `height` gray bytes, with its time. The stored order of rows: not turned.
    static func gray(of path: String, width: Int, height: Int) throws -> [(time: Double, bytes: ArraySlice<UInt8>)] {
        let times = try FFprobe.frames(path, "v:0").map(\.time)
        let raw = try [UInt8](
            Shell.ffmpeg(
                ["-noautorotate", "-i", path, "-map", "0:v:0", "-vf"]
                    + ["scale=\(width):\(height):flags=area,format=gray", "-fps_mode", "passthrough"]
                    + ["-enc_time_base", "-1", "-f", "rawvideo", "-"], limit: 120))
        let size = width * height
        guard raw.count == times.count * size else {
            throw Shell.Failure(description: "\(path): \(times.count) times for \(raw.count / size) pictures")
        }
        return times.enumerated().map { ($1, raw[($0 * size)..<(($0 + 1) * size)]) }
    }
}
