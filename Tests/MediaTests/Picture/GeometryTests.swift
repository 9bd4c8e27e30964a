import Foundation
import Testing

@testable import Media

/// What is in the four corners, and how wide the picture is for its height.
struct Shape: CustomTestStringConvertible, Sendable {
    var name: String
    var corners = "RG/BW"
    var aspect: Double
    /// The only size that is right, where there is one.
    var size: [Int]?
    var testDescription: String { name }
}

struct GeometryTests {
    static let shapes = [
        Shape(name: "turn-0.mp4", aspect: 16 / 9, size: [320, 180]),
        Shape(name: "turn-90.mp4", corners: "BR/WG", aspect: 9 / 16, size: [180, 320]),
        Shape(name: "turn-180.mp4", corners: "WB/GR", aspect: 16 / 9, size: [320, 180]),
        Shape(name: "turn-270.mp4", corners: "GW/RB", aspect: 9 / 16, size: [180, 320]),
        Shape(name: "turn-hflip.mp4", corners: "GR/WB", aspect: 16 / 9, size: [320, 180]),
        Shape(name: "turn-vflip.mp4", corners: "BW/RG", aspect: 16 / 9, size: [320, 180]),
        Shape(name: "turn-transpose.mp4", corners: "RB/GW", aspect: 9 / 16, size: [180, 320]),
        Shape(name: "turn-transverse.mp4", corners: "WG/BR", aspect: 9 / 16, size: [180, 320]),
        Shape(name: "turn-90-sar-4-3.mp4", corners: "BR/WG", aspect: 9 / 16),
        Shape(name: "sar-4-3.mp4", aspect: 16 / 9),
        Shape(name: "sar-8-9.mp4", aspect: 4 / 3),
        Shape(name: "sar-in-container-only.mkv", aspect: 16 / 9),
        Shape(name: "shape-portrait.mp4", aspect: 9 / 16, size: [180, 320]),
        Shape(name: "shape-square.mp4", aspect: 1, size: [240, 240]),
        Shape(name: "shape-wide.mp4", aspect: 10, size: [640, 64]),
        Shape(name: "shape-tiny.mp4", aspect: 32 / 18, size: [32, 18]),
        Shape(name: "shape-tall-odd.webm", aspect: 1 / 3),
        Shape(name: "odd-321x241.mp4", aspect: 321 / 241),
        Shape(name: "odd-321x241.webm", aspect: 321 / 241),
        Shape(name: "odd-321x241-png.mov", aspect: 321 / 241),
        Shape(name: "size-1920x1200.mp4", aspect: 1.6, size: [1728, 1080]),
        Shape(name: "size-2560x1440.mp4", aspect: 16 / 9, size: [1920, 1080]),
        Shape(name: "size-4k.mp4", aspect: 16 / 9, size: [1920, 1080]),
        Shape(name: "size-change.ts", aspect: 16 / 9),
        Shape(name: "size-change.mkv", aspect: 16 / 9),
    ]

    @Test(arguments: shapes)
    func `pixels are upright, square and of an allowed size`(shape: Shape) throws {
        let outcome = try Engine.transcode(fixture: shape.name, forceEncode: true)
        try expectConforming(outcome)
        let video = try #require(try FFprobe.read(outcome.path).video)
        let (width, height) = (video.width ?? 0, video.height ?? 0)
        if let size = shape.size { #expect([width, height] == size) }
        // Even sides cost up to a pixel each way.
        let tolerance = 1.5 / Double(min(width, height))
        #expect(abs(Double(width) / Double(height) / shape.aspect - 1) <= tolerance, "\(width)x\(height)")
        for time in [0.5, 3.0] {
            #expect(try Self.corners(outcome.path, at: time) == shape.corners, "at \(time) s")
        }
    }

    @Test func `where container and bitstream differ about the pixel's shape, the container's word counts`() throws {
        // Square pixels by the SPS, and 16:9 of them by the container: 180x320 is shown as a square.
        let path = try Scratch.folder() + "/square.mp4"
        try Shell.ffmpeg(["-i", Fixture.path("shape-portrait.mp4"), "-c", "copy", "-aspect", "1:1", path])
        let outcome = try Engine.transcode(path: path)
        try expectConforming(outcome)
        let video = try #require(try FFprobe.read(outcome.path).video)
        #expect([video.width, video.height] == [320, 320])
        // No black at its sides.
        #expect(try Self.corners(outcome.path, at: 1, inset: 32) == "RG/BW")
    }

    @Test(arguments: shapes.filter { ["turn-0.mp4", "turn-90.mp4", "turn-180.mp4", "turn-270.mp4"].contains($0.name) })
    func `a copied picture is shown upright too`(shape: Shape) throws {
        let outcome = try Engine.transcode(fixture: shape.name)
        try expectConforming(outcome)
        #expect(outcome.isCopied, "\(outcome.video?.reasons ?? [])")
        #expect(try Self.corners(outcome.path, at: 1) == shape.corners)
    }

    @Test(arguments: shapes)
    func `a small picture is never enlarged`(shape: Shape) throws {
        let source = try #require(try FFprobe.read(Fixture.path(shape.name)).video)
        let outcome = try Engine.transcode(fixture: shape.name, forceEncode: true)
        let video = try #require(try FFprobe.read(outcome.path).video)
        // Squaring may widen one side by the pixel's aspect, and a stream that grows on the way may be shown so.
        let grows =
            shape.name.hasPrefix("size-change")
            ? 1.51
            : FFprobe.fraction(
                source.sampleAspectRatio?.replacingOccurrences(of: ":", with: "/"))
        let factor = max(grows, grows > 0 ? 1 / grows : 1, 1)
        let most = Double(max(source.width ?? 0, source.height ?? 0)) * factor + 2
        #expect(Double(max(video.width ?? 0, video.height ?? 0)) <= most)
    }

    @Test func `upright 4K at 60 fps becomes 1080x1920 at 60 fps`() throws {
        let outcome = try Engine.transcode(fixture: "size-4k60-portrait.mp4")
        try expectConforming(outcome)
        let video = try #require(try FFprobe.read(outcome.path).video)
        #expect([video.width, video.height] == [1080, 1920])
        #expect(abs(video.rate - 60) < 0.001)
    }

    @Test(arguments: Fixture.names("interlaced-"))
    func `interlaced pictures are deinterlaced, and move forward`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        try expectConforming(outcome)
        #expect(outcome.report?.input?.video?.interlaced == true)
        let (before, after) = (try Self.combing(Fixture.path(name)), try Self.combing(outcome.path))
        #expect(after < before / 8, "combed pixels: \(before) in the source, \(after) in the result")
        let positions = try Self.bars(outcome.path)
        let steps = zip(positions.dropFirst(), positions).map {
            ($0 - $1 + 480).truncatingRemainder(dividingBy: 320) - 160
        }
        let backward = steps.filter { $0 < 0 }.count
        #expect(backward <= steps.count / 10, "the bar goes back \(backward) times of \(steps.count)")
    }

    @Test func `an interlaced stream whose size changes is deinterlaced on`() throws {
        let folder = try Scratch.folder()
        for (name, size, start) in [("a", "320x288", "0"), ("b", "480x288", "2")] {
            try Shell.ffmpeg(
                ["-f", "lavfi", "-i", "testsrc2=s=\(size):r=25,setfield=tff", "-t", "2"]
                    + ["-c:v", "mpeg2video", "-q:v", "3", "-flags", "+ilme+ildct", "-output_ts_offset", start]
                    + ["\(folder)/\(name).ts"])
        }
        _ = try Shell.succeed("sh", ["-c", "cat \(folder)/a.ts \(folder)/b.ts > \(folder)/ab.ts"])
        let outcome = try Engine.transcode(path: "\(folder)/ab.ts")
        try expectConforming(outcome)
        #expect(abs((outcome.report?.output?.durationSeconds ?? 0) - 4) < 0.2)
    }

    @Test func `a stream that begins progressive is deinterlaced from where it needs it`() throws {
        let folder = try Scratch.folder()
        let bar = "geq=lum='if(between(X,mod(N*16,320),mod(N*16,320)+24),235,64)':cb=128:cr=128"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "color=s=320x288:r=25,format=yuv420p,\(bar),setsar=16/15", "-t", "1.6"]
                + ["-c:v", "mpeg2video", "-q:v", "3", "-bf", "0", "\(folder)/a.ts"])
        try Shell.ffmpeg(
            ["-i", Fixture.path("interlaced-mpeg2.ts"), "-map", "0:v", "-c", "copy"]
                + ["-output_ts_offset", "1.6", "\(folder)/b.ts"])
        _ = try Shell.succeed("sh", ["-c", "cat \(folder)/a.ts \(folder)/b.ts > \(folder)/ab.ts"])
        let outcome = try Engine.transcode(path: "\(folder)/ab.ts")
        try expectConforming(outcome)
        let (before, after) = (try Self.combing("\(folder)/ab.ts", from: 48), try Self.combing(outcome.path, from: 48))
        #expect(before > 0.001 && after < before / 8, "combed pixels: \(before) in the source, \(after) in the result")
    }

    // MARK: - Measures

    /// The letters of the colours in the four quarters: upper row, lower row.
    ///
    /// - Parameter inset: what part of its side a corner lies away from the edge.
    static func corners(_ path: String, at time: Double, inset: Int = 4) throws -> String {
        let picture = try Pixels.picture(of: path, at: time)
        let names: [(Character, SIMD3<Double>)] = [
            ("R", SIMD3(255, 0, 0)), ("G", SIMD3(0, 255, 0)), ("B", SIMD3(0, 0, 255)), ("W", SIMD3(255, 255, 255)),
        ]
        func letter(_ x: Int, _ y: Int) -> Character {
            let lab = CIEDE2000.lab(codes: picture.codes(x: x, y: y, side: 4))
            let nearest = names.map { ($0.0, CIEDE2000.difference(lab, ColorPatches.lab(sRGB: $0.1))) }.min {
                $0.1 < $1.1
            }
            return nearest.map { $0.1 < 12 ? $0.0 : "?" } ?? "?"
        }
        let (left, right) = (picture.width / inset, picture.width - picture.width / inset)
        let (top, bottom) = (picture.height / inset, picture.height - picture.height / inset)
        return "\(letter(left, top))\(letter(right, top))/\(letter(left, bottom))\(letter(right, bottom))"
    }

    /// The share of pixels that differ from the rows above and below in the same direction, in 20 pictures.
    private static func combing(_ path: String, from first: Int = 8) throws -> Double {
        let (width, height) = (320, 288)
        var (combed, all) = (0, 0)
        for (_, bytes) in try Pixels.gray(of: path, width: width, height: height).dropFirst(first).prefix(20) {
            let pixels = Array(bytes)
            for y in stride(from: 1, to: height - 1, by: 3) {
                for x in stride(from: 0, to: width, by: 2) {
                    let here = Int(pixels[y * width + x])
                    let (up, down) = (here - Int(pixels[(y - 1) * width + x]), here - Int(pixels[(y + 1) * width + x]))
                    if abs(up) > 60, abs(down) > 60, (up > 0) == (down > 0) { combed += 1 }
                    all += 1
                }
            }
        }
        return Double(combed) / Double(max(all, 1))
    }

    /// Where the bright bar is, for each frame in which it is whole.
    private static func bars(_ path: String) throws -> [Double] {
        try Pixels.gray(of: path, width: 320, height: 8).dropFirst(8).compactMap { frame in
            let row = Array(frame.bytes)[(3 * 320)..<(4 * 320)]
            let bright = row.enumerated().filter { $0.element > 150 }.map(\.offset)
            guard let first = bright.first, let last = bright.last, last - first < 60 else { return nil }
            return Double(first + last) / 2
        }
    }
}
