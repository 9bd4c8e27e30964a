internal import CFFmpeg
internal import CLight

/// The conversion by way of light: HDR, wide gamut, other gammas. See `ColorConverter`.
///
/// Y'CbCr → R'G'B' → light → (HLG: OOTF) → BT.709's primaries → (HDR: tone curve) → BT.709 signal → Y'CbCr.
/// Colours outside of BT.709 are clipped component by component after the tone curve, which itself scales the
/// three components alike and so keeps the hue. (zimg lets them pass, to saturate in the 8-bit Y'CbCr codes.)
///
/// The loop over the pixels is CLight's; here are the numbers it works with.
struct LightPass: Sendable {
    private let tables: LightTables
    private let curve: ToneCurve?
    /// Chroma codes to luma codes, in CLight's units.
    private let byCb: SIMD3<Int32>
    private let byCr: SIMD3<Int32>
    private let gamut: Matrix3
    private let luminance: SIMD3<Double>
    private let instructions: Instructions

    /// What the loop is compiled for. The results are the same.
    enum Instructions: Sendable, CaseIterable {
        case baseline
        case avx2
        /// AVX2's eight look-ups at once.
        case gather

        /// What this machine does best. Where libavutil calls gathering slow, it is.
        static var best: Instructions {
            let flags = av_get_cpu_flags()
            guard flags & AV_CPU_FLAG_AVX2 != 0 else { return .baseline }
            return flags & AV_CPU_FLAG_SLOW_GATHER == 0 ? .gather : .avx2
        }
    }

    init(from source: ColorDescription, with instructions: Instructions = .best) {
        tables = LightTables(for: source)
        curve = ToneCurve(for: source)
        // Linear in both chroma codes: the decoder itself tells the factors.
        let unit = Double(1 << REELWAY_OFFSET_BITS) * (source.fullRange ? 1023.0 : 876)
        let grey = ColorScience.decode(y: 0, cb: 512, cr: 512, from: source)
        func factors(cb: Double, cr: Double) -> SIMD3<Int32> {
            let factors = (ColorScience.decode(y: 0, cb: cb, cr: cr, from: source) - grey) * unit
            return SIMD3(Int32(factors.x.rounded()), Int32(factors.y.rounded()), Int32(factors.z.rounded()))
        }
        byCb = factors(cb: 513, cr: 512)
        byCr = factors(cb: 512, cr: 513)
        gamut = ColorScience.toBT709(primaries: source.primaries)
        luminance = ColorScience.toXYZ(primaries: source.primaries).row(1)
        self.instructions = instructions
    }

    func convert(
        width: Int, height: Int, from source: ColorConverter.SourcePlanes, to target: ColorConverter.TargetPlanes
    ) {
        withConstants { constants in
            for row in stride(from: 0, to: height, by: 2) {
                let from = reelway_source_rows(
                    upper: source.y + row * source.yStride, lower: source.y + (row + 1) * source.yStride,
                    cb: source.cb + row / 2 * source.cbStride, cr: source.cr + row / 2 * source.crStride)
                let to = reelway_target_rows(
                    upper: target.y + row * target.yStride, lower: target.y + (row + 1) * target.yStride,
                    cb: target.cb + row / 2 * target.cbStride, cr: target.cr + row / 2 * target.crStride)
                switch instructions {
                case .baseline: reelway_light_rows(constants, from, to, Int32(width))
                case .avx2: reelway_light_rows_avx2(constants, from, to, Int32(width))
                case .gather: reelway_light_rows_gather(constants, from, to, Int32(width))
                }
            }
        }
    }

    private func withConstants(_ body: (UnsafePointer<reelway_light_pass>) -> Void) {
        func row(_ row: SIMD3<Double>) -> reelway_row {
            reelway_row(red: Float(row.x), green: Float(row.y), blue: Float(row.z))
        }
        tables.light.withUnsafeBufferPointer { light in
            tables.signal.withUnsafeBufferPointer { signal in
                tables.gain.withUnsafeBufferPointer { gain in
                    guard let light = light.baseAddress else { return }
                    let knee = ToneCurve.knee
                    var constants = reelway_light_pass(
                        light: light + LightTables.lightOrigin, signal: signal.baseAddress,
                        gain: gain.isEmpty ? nil : gain.baseAddress, red_by_cr: byCr.x, green_by_cb: byCb.y,
                        green_by_cr: byCr.y, blue_by_cb: byCb.z, gamut_red: row(gamut.row(0)),
                        gamut_green: row(gamut.row(1)), gamut_blue: row(gamut.row(2)), luminance: row(luminance),
                        knee: Float(knee), scale: Float(curve?.scale ?? 0), upper: Float(knee + (curve?.upper ?? 0)),
                        lower: Float(knee + (curve?.lower ?? 0)))
                    body(&constants)
                }
            }
        }
    }
}
