import Foundation
import Testing

@testable import Media

struct ColorConverterTests {
    private static func description(
        _ primaries: Int, _ transfer: Int, _ matrix: Int, full: Bool = false, peak: Double? = nil
    ) -> ColorDescription {
        ColorDescription(primaries: primaries, transfer: transfer, matrix: matrix, fullRange: full, peakNits: peak)
    }

    private static let hlg = description(9, 18, 9)
    private static let pq = description(9, 16, 9)
    private static let ntsc = description(6, 6, 6)
    private static let jpeg = description(1, 1, 5, full: true)
    private static let p3 = description(12, 1, 1)
    private static let wideSDR = description(9, 14, 9)

    private static let systems: [ColorDescription] = [
        hlg, pq, description(9, 16, 9, peak: 4000), description(9, 16, 9, full: true, peak: 150),
        description(1, 18, 1, full: true), ntsc, description(5, 1, 5), jpeg, description(1, 1, 1, full: true),
        description(7, 7, 7), description(1, 1, 4), p3, description(12, 13, 6, full: true), description(11, 1, 1),
        wideSDR, description(9, 15, 10), description(1, 4, 1), description(4, 5, 4), description(1, 8, 1),
        description(9, 18, 12), description(12, 1, 12),
    ]

    /// Every combination of the three codes in steps.
    private static func grid(luma: Int, chroma: Int, full: Bool) -> [SIMD3<Int>] {
        var colours: [SIMD3<Int>] = []
        let (low, high) = full ? (0, 1023) : (64, 940)
        for y in stride(from: low, through: high, by: luma) {
            for cb in stride(from: full ? 0 : 64, through: full ? 1023 : 960, by: chroma) {
                for cr in stride(from: full ? 0 : 64, through: full ? 1023 : 960, by: chroma) {
                    colours.append(SIMD3(y, cb, cr))
                }
            }
        }
        return colours
    }

    /// Codes of the colours from black to the peak of each of R'G'B', a grid of `steps`³ of them.
    private static func patches(of source: ColorDescription, steps: Int) -> [SIMD3<Int>] {
        let weight = ColorScience.lumaWeights(of: source)
        let (low, lumaSpan, chromaSpan) = source.fullRange ? (0.0, 1023.0, 1023.0) : (64, 876, 896)
        // PQ goes on far beyond the peak of a usual picture, 1000 cd/m².
        let scale = Double(steps - 1) / (source.transfer == 16 ? 0.7518 : 1)
        return (0..<steps * steps * steps).map { index in
            let red = Double(index % steps) / scale
            let green = Double(index / steps % steps) / scale
            let blue = Double(index / (steps * steps)) / scale
            let luma = weight.red * red + (1 - weight.red - weight.blue) * green + weight.blue * blue
            return SIMD3(
                Int((low + lumaSpan * luma).rounded()),
                min(Int((512 + chromaSpan * (blue - luma) / (2 * (1 - weight.blue))).rounded()), 1023),
                min(Int((512 + chromaSpan * (red - luma) / (2 * (1 - weight.red))).rounded()), 1023))
        }
    }

    // MARK: Against the definitions

    @Test(arguments: systems)
    func `every colour comes out within a code of the definition, rounding included`(source: ColorDescription) {
        let colours = Self.grid(luma: 29, chroma: 47, full: source.fullRange)
        let bench = ColorBench(patches: colours)
        let results = bench.patches(of: bench.converted(from: source))
        var sum = 0.0
        var worst = 0.0
        for (colour, result) in zip(colours, results) {
            let exact = ColorScience.reference(
                y: Double(colour.x), cb: Double(colour.y), cr: Double(colour.z), from: source)
            for channel in 0..<3 {
                let error = abs(min(max(exact[channel], 0), 255) - Double(result[channel]))
                sum += error
                worst = max(worst, error)
            }
        }
        print("\(source): mean \(sum / Double(3 * colours.count)), worst \(worst) codes")
        #expect(sum / Double(3 * colours.count) < 0.35)
        #expect(worst < 1)
    }

    @Test(arguments: systems)
    func `greys stay neutral and never fall as the source rises`(source: ColorDescription) {
        let bench = ColorBench(patches: (0..<1024).map { SIMD3($0, 512, 512) })
        let results = bench.patches(of: bench.converted(from: source))
        for (code, result) in results.enumerated() {
            #expect(result.y == 128 && result.z == 128, "\(code) became \(result)")
            if code > 0 { #expect(result.x >= results[code - 1].x) }
        }
        #expect(results[source.fullRange ? 0 : 64].x == 16)
        if !source.isHDR { #expect(results[source.fullRange ? 1023 : 940].x == 235) }
    }

    @Test func `diffuse white of HLG and PQ comes out at 80 to 90 %, their peak at 100 %`() {
        let codes = [(Self.hlg, 64 + 876 * 0.75, 940), (Self.pq, 64 + 876 * 0.58069, 64 + Int(876 * 0.7518))]
        for (source, white, peak) in codes {
            let bench = ColorBench(patches: [SIMD3(Int(white.rounded()), 512, 512), SIMD3(peak, 512, 512)])
            let results = bench.patches(of: bench.converted(from: source))
            let level = (Double(results[0].x) - 16) / 219
            print("\(source.transferName): diffuse white at \(level)")
            #expect(level > 0.8 && level < 0.9)
            #expect(results[1].x >= 234)
        }
    }

    @Test func `BT.709 itself passes unchanged and needs no conversion`() {
        #expect(!ColorConverter.isNeeded(.bt709))
        #expect(!ColorConverter.isNeeded(Self.description(2, 2, 2)))
        #expect(!ColorConverter.isNeeded(Self.description(255, -7, 0)))
        for system in Self.systems { #expect(ColorConverter.isNeeded(system)) }
        let bench = ColorBench(patches: (16...235).map { SIMD3(4 * $0, 4 * (255 - $0), 4 * $0) })
        let results = bench.patches(of: bench.converted(from: Self.description(2, 2, 2)))
        for (code, result) in zip(16...235, results) {
            #expect(result == SIMD3(UInt8(code), UInt8(255 - code), UInt8(code)))
        }
    }

    @Test func `code points and samples that nobody knows never stop it`() {
        var random = SystemRandomNumberGenerator()
        for code in [-1, 0, 3, 9, 16, 17, 18, 99, 255, Int.max] {
            for peak in [nil, 0, -1, 1, 203, 1e9, Double.nan, Double.infinity] {
                let source = Self.description(code, code, code, full: true, peak: peak)
                var bench = ColorBench(patches: Array(repeating: SIMD3(0, 0, 0), count: 64))
                for index in bench.samples.indices {
                    bench.samples[index] = UInt16.random(in: 0...65535, using: &random)
                }
                // The baseline's look-ups are what the address sanitizer sees.
                #expect(bench.converted(from: source) == bench.converted(from: source, with: .baseline))
            }
        }
    }

    @Test(arguments: [hlg, pq, p3])
    func `every processor gives the same picture`(source: ColorDescription) {
        var bench = ColorBench(patches: Array(repeating: SIMD3(0, 0, 0), count: 9), block: 38)
        for index in bench.samples.indices { bench.samples[index] = UInt16(index * index * 37 % 1024) }
        let expected = bench.converted(from: source, with: .baseline)
        // One without AVX2 can't show more.
        for instructions in LightPass.Instructions.allCases where LightPass.Instructions.best != .baseline {
            #expect(bench.converted(from: source, with: instructions) == expected)
        }
    }

    @Test(arguments: [hlg, pq, p3, ntsc])
    func `a pixel's light depends on no other pixel's`(source: ColorDescription) {
        let greys = ColorBench(patches: (0..<1024).map { SIMD3($0, 512, 512) })
        let alone = greys.patches(of: greys.converted(from: source)).map(\.x)
        // Whole groups of vectors, single vectors and half a one.
        var bench = ColorBench(patches: Array(repeating: SIMD3(0, 512, 512), count: 41), block: 4)
        let pixels = bench.width * bench.height
        for index in 0..<pixels { bench.samples[index] = UInt16(index * index * 37 % 1024) }
        let together = bench.converted(from: source).prefix(pixels)
        #expect(zip(bench.samples, together).allSatisfy { alone[Int($0)] == $1 })
    }

    @Test(arguments: [hlg, p3, ntsc])
    func `a width that leaves half a vector gives the same colours`(source: ColorDescription) {
        let colours = (0..<5).map { SIMD3(100 + 150 * $0, 400 + 50 * $0, 600 - 40 * $0) }
        let whole = ColorBench(patches: colours + [colours[0]])
        let expected = whole.patches(of: whole.converted(from: source))
        for count in [1, 2, 3, 5] {
            let bench = ColorBench(patches: Array(colours[0..<count]))
            #expect(bench.patches(of: bench.converted(from: source)) == Array(expected[0..<count]))
        }
    }

    @Test(arguments: [hlg, pq, p3, ntsc])
    func `the last columns come out as they do inside of a wider picture`(source: ColorDescription) {
        func picture(width: Int) -> ColorBench {
            var bench = ColorBench(patches: [SIMD3(0, 0, 0)], block: 4)
            let planes = [(width, 4, 300), (width / 2, 2, 400), (width / 2, 2, 600)]
            (bench.width, bench.samples) = (width, [])
            for (columns, rows, level) in planes {
                for y in 0..<rows { bench.samples += (0..<columns).map { UInt16(level + 19 * $0 + 70 * y) } }
            }
            return bench
        }
        func rows(_ planes: [UInt8], _ width: Int, first count: Int) -> [[UInt8]] {
            let luma = (0..<4).map { planes[$0 * width..<$0 * width + count] }
            let chroma = (8..<12).map { planes[$0 * width / 2..<$0 * width / 2 + count / 2] }
            return (luma + chroma).map(Array.init)
        }
        let whole = picture(width: 16).converted(from: source)
        for width in stride(from: 2, through: 14, by: 2) {
            let narrow = picture(width: width).converted(from: source)
            #expect(rows(narrow, width, first: width) == rows(whole, 16, first: width), "\(width)")
        }
    }

    // MARK: Against zimg

    /// Tags the picture, as `ColorBench`'s raw ones carry none.
    private static func tagged(_ source: ColorDescription) -> String {
        "setparams=color_primaries=\(source.primariesName):color_trc=\(source.transferName)"
            + ":colorspace=\(source.matrixName):range=\(source.rangeName)"
    }

    /// Without `agamma=0` zimg takes HLG's OOTF component by component, and not of luminance as BT.2100 has it.
    private static func toneChain(_ source: ColorDescription, nits: Int, curve: String) -> String {
        "\(tagged(source)),zscale=agamma=\(curve.contains("peak") ? 0 : 1):t=linear:npl=\(nits),format=gbrpf32le,zscale=p=bt709,tonemap=\(curve):desat=0"
            + ",zscale=t=bt709:m=bt709:r=tv"
    }

    /// Differences of the patches that BT.709 can show, and of all.
    ///
    /// zimg passes what it cannot show on as R'G'B' below 0 and above 1; in the 8-bit codes that then saturates
    /// in Y', Cb and Cr each for itself, and pure BT.2020 red comes out at 84 % instead of full red. Reelway
    /// clips R'G'B'. So the two differ there, and must agree on all other colours.
    private func differences(
        _ source: ColorDescription, _ chain: String
    ) throws -> (shown: [Double], all: [Double]) {
        let colours = Self.patches(of: source, steps: 6)
        let bench = ColorBench(patches: colours, block: 16)
        let own = bench.patches(of: bench.converted(from: source), block: 16)
        let judge = bench.patches(of: try bench.judged(by: chain), block: 16)
        let all = zip(own, judge).map { CIEDE2000.difference(codes: $0, $1) }
        let shown = zip(colours, all).filter { colour, _ in
            let signal = ColorScience.decode(
                y: Double(colour.x), cb: Double(colour.y), cr: Double(colour.z), from: source)
            let light = ColorScience.bt709Light(signal, from: source)
            return source.keepsLight || (light.min() > -0.0005 && light.max() < 1.0005)
        }
        return (shown.map(\.1), all)
    }

    private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(values.count, 1)) }

    private func summary(_ values: [Double]) -> String {
        String(format: "mean %.2f, worst %.2f of %d", mean(values), values.max() ?? 0, values.count)
    }

    @Test(arguments: [p3, wideSDR, ntsc, jpeg])
    func `SDR patches match zscale's: mean CIEDE2000 within 1`(source: ColorDescription) throws {
        // Matrix only is what is promised for primaries that are nearly BT.709's: zscale is told so as well.
        var told = source
        if source.keepsLight { (told.primaries, told.transfer) = (1, 1) }
        let (shown, all) = try differences(source, "\(Self.tagged(told)),zscale=p=bt709:t=bt709:m=bt709:r=tv")
        print("\(source.primariesName) \(source.matrixName): \(summary(shown)); with clipped colours \(summary(all))")
        #expect(mean(shown) < 0.5)
        #expect(mean(all) < 2)
    }

    @Test(arguments: [hlg, pq])
    func `HDR patches match zscale and tonemap`(source: ColorDescription) throws {
        // The first is this converter's own definition; the others are what people paste.
        for (nits, curve, limit) in [
            (203, "mobius:peak=4.926108", 0.1), (203, "mobius", 3.0), (100, "mobius", 7.0), (100, "hable", 7.0),
        ] {
            let (shown, all) = try differences(source, Self.toneChain(source, nits: nits, curve: curve))
            print(
                "\(source.transferName) npl=\(nits) \(curve): \(summary(shown)); with clipped colours \(summary(all))")
            #expect(mean(shown) < limit, "npl=\(nits) \(curve)")
            #expect(mean(all) < 7, "npl=\(nits) \(curve)")
        }
    }

    @Test(
        .enabled(if: SharedMedia.folder != nil, "../shared/media is absent"),
        arguments: ["sample_edit_list.mp4", "hdr10-av1.mp4"])
    func `real HDR pictures match zscale and tonemap`(name: String) throws {
        let source = name == "hdr10-av1.mp4" ? Self.pq : Self.hlg
        let (width, height) = (180, 320)
        let raw = try ColorBench.ffmpeg(
            [
                "-ss", "1", "-i", SharedMedia.path("androidx/" + name), "-frames:v", "1", "-vf",
                "scale=\(width):\(height)", "-pix_fmt", "yuv420p10le",
            ])
        let bench = ColorBench(width: width, height: height, raw: Data(raw))
        let own = bench.converted(from: source)
        for (nits, curve, limit) in [(203, "mobius:peak=4.926108", 1.0), (203, "mobius", 3), (100, "hable", 7)] {
            let judge = try bench.judged(by: Self.toneChain(source, nits: nits, curve: curve))
            let mean = bench.meanDifference(own, judge)
            print("\(name) npl=\(nits) \(curve): mean \(mean)")
            #expect(mean < limit, "npl=\(nits) \(curve)")
        }
    }

    @Test func `names are ffprobe's, unknown codes their numbers`() {
        #expect(Self.hlg.transferName == "arib-std-b67" && Self.hlg.primariesName == "bt2020")
        #expect(Self.hlg.matrixName == "bt2020nc" && Self.hlg.rangeName == "tv" && Self.hlg.isHDR)
        #expect(Self.pq.transferName == "smpte2084" && Self.p3.primariesName == "smpte432" && !Self.p3.isHDR)
        #expect(Self.description(2, 200, 99).transferName == "200" && Self.description(2, 2, 99).matrixName == "99")
    }

    @Test func `taking NTSC and PAL primaries for BT.709's costs what keepsLight says`() {
        for (primaries, name) in [(6, "SMPTE 170M"), (5, "BT.470BG")] {
            let exact = ColorScience.toBT709(primaries: primaries)
            var differences: [Double] = []
            for index in 0..<1000 {
                let signal = SIMD3(Double(index % 10), Double(index / 10 % 10), Double(index / 100)) / 9
                let light = SIMD3(pow(signal.x, 2.4), pow(signal.y, 2.4), pow(signal.z, 2.4))
                let converted = (exact * light).clamped(lowerBound: SIMD3(), upperBound: SIMD3(repeating: 1))
                differences.append(
                    CIEDE2000.difference(CIEDE2000.lab(linear: light), CIEDE2000.lab(linear: converted)))
            }
            let mean = differences.reduce(0, +) / 1000
            print("\(name) primaries taken for BT.709's: mean \(mean), worst \(differences.max() ?? 0)")
            #expect(mean < 1.3 && differences.allSatisfy { $0 < 3 })
        }
    }
}
