import Foundation
import Testing

@testable import Media

/// A 10-bit 4:2:0 picture and what `ColorConverter` and the `ffmpeg` program make of it.
struct ColorBench {
    var width: Int
    var height: Int
    /// Y, Cb and Cr planes, one after the other, without padding.
    var samples: [UInt16]

    /// Blocks of equal colour, `block` pixels square, in one row.
    init(patches: [SIMD3<Int>], block: Int = 2) {
        width = patches.count * block
        height = block
        let chroma = width / 2 * (height / 2)
        samples = [UInt16](repeating: 0, count: width * height + 2 * chroma)
        for y in 0..<height {
            for x in 0..<width { samples[y * width + x] = UInt16(patches[x / block].x) }
        }
        for y in 0..<height / 2 {
            for x in 0..<width / 2 {
                let index = width * height + y * width / 2 + x
                samples[index] = UInt16(patches[2 * x / block].y)
                samples[index + chroma] = UInt16(patches[2 * x / block].z)
            }
        }
    }

    /// A raw yuv420p10le picture.
    init(width: Int, height: Int, raw: Data) {
        self.width = width
        self.height = height
        samples = raw.withUnsafeBytes { bytes in
            (0..<width * height * 3 / 2).map { bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self) }
        }
    }

    /// The planes of the converted picture, one after the other.
    func converted(
        from description: ColorDescription, with instructions: LightPass.Instructions = .best
    ) -> [UInt8] {
        let converter = ColorConverter(from: description, with: instructions)
        let (width, height) = (self.width, self.height)
        let chroma = width / 2 * (height / 2)
        var result = [UInt8](repeating: 0, count: samples.count)
        samples.withUnsafeBufferPointer { source in
            result.withUnsafeMutableBufferPointer { target in
                guard let source = source.baseAddress, let target = target.baseAddress else { return }
                let cb = width * height
                converter.convert(
                    width: width, height: height,
                    from: ColorConverter.SourcePlanes(
                        y: source, cb: source + cb, cr: source + cb + chroma,
                        yStride: width, cbStride: width / 2, crStride: width / 2),
                    to: ColorConverter.TargetPlanes(
                        y: target, cb: target + cb, cr: target + cb + chroma,
                        yStride: width, cbStride: width / 2, crStride: width / 2))
            }
        }
        return result
    }

    /// The colours at the middle of each block of a converted picture.
    func patches(of planes: [UInt8], block: Int = 2) -> [SIMD3<UInt8>] {
        let chroma = width / 2 * (height / 2)
        return (0..<width / block).map { patch in
            let x = patch * block + block / 2 - 1
            let y = height / 2 - 1
            let index = width * height + y / 2 * width / 2 + x / 2
            return SIMD3(planes[y * width + x], planes[index], planes[index + chroma])
        }
    }

    /// What a filter chain of the `ffmpeg` program makes of the picture.
    func judged(by chain: String) throws -> [UInt8] {
        let raw = samples.withUnsafeBytes { Data($0) }
        return try Self.ffmpeg(
            [
                "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", "\(width)x\(height)", "-i", "{input}",
                "-vf", chain + ",format=yuv420p",
            ], input: raw)
    }

    /// Every pixel's colour, for pictures of equal size.
    func meanDifference(_ first: [UInt8], _ second: [UInt8]) -> Double {
        let chroma = width / 2 * (height / 2)
        var sum = 0.0
        for y in 0..<height / 2 {
            for x in 0..<width / 2 {
                let index = width * height + y * width / 2 + x
                let luma = 2 * y * width + 2 * x
                sum += CIEDE2000.difference(
                    codes: SIMD3(first[luma], first[index], first[index + chroma]),
                    SIMD3(second[luma], second[index], second[index + chroma]))
            }
        }
        return sum / Double(chroma)
    }

    /// Runs `ffmpeg`, `{input}` in the arguments standing for a file that holds `input`; gives its raw output.
    static func ffmpeg(_ arguments: [String], input: Data = Data()) throws -> [UInt8] {
        let source = try Engine.store([UInt8](input), as: "in")
        return [UInt8](
            try Shell.ffmpeg(arguments.map { $0 == "{input}" ? source : $0 } + ["-f", "rawvideo", "-"]))
    }
}
