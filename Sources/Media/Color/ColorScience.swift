import Foundation

/// The definitions of BT.709, BT.2100 and their relatives, in `Double`.
///
/// Nothing here is fast. `ColorConverter` fills its tables from it, and is tested against `reference`.
enum ColorScience {
    /// Light of diffuse ("graphics") white in an HDR picture, cd/m² (ITU-R BT.2408, 2.2). SDR white is put there.
    static let referenceWhite = 203.0
    /// Nominal peak of the display HLG is shown on, cd/m² (BT.2100, table 5, note 5f).
    static let hlgPeak = 1000.0
    /// System gamma of HLG on that display (BT.2100, table 5).
    static let hlgGamma = 1.2
    /// Peak of a PQ picture that does not tell, cd/m²: the usual mastering display.
    static let defaultPQPeak = 1000.0
    /// The highest signal that limited range codes carry: (1019 - 64) / 876. What chroma adds beyond is not a colour.
    static let highestSignal = 1.09

    // MARK: Signal to light

    /// Light of a signal 0…1; 1 is SDR white, except for HLG, where it is the scene's light 0…1 before the OOTF.
    static func light(_ signal: Double, transfer: Int) -> Double {
        let value = min(max(signal, 0), highestSignal)
        switch transfer {
        case 4: return pow(value, 2.2)  // H.273: assumed display gamma 2.2
        case 5: return pow(value, 2.8)  // H.273: assumed display gamma 2.8
        case 8: return value
        case 13: return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)  // IEC 61966-2-1
        case 16: return pqLight(min(value, 1)) / referenceWhite
        case 18: return hlgScene(value)
        default: return pow(value, bt1886Gamma)
        }
    }

    /// Gamma of the display that BT.709 pictures are made for (ITU-R BT.1886).
    ///
    /// Both ways, as zimg does: the look of a picture is what its display shows, not what a camera's OETF saw.
    static let bt1886Gamma = 2.4

    /// The BT.709 signal of display light.
    static func bt709Signal(_ light: Double) -> Double { pow(min(max(light, 0), 1), 1 / bt1886Gamma) }

    /// EOTF of PQ, cd/m² (SMPTE ST 2084; BT.2100, table 4).
    static func pqLight(_ signal: Double) -> Double {
        let m1 = 2610.0 / 16384
        let m2 = 2523.0 / 4096 * 128
        let c1 = 3424.0 / 4096
        let c2 = 2413.0 / 4096 * 32
        let c3 = 2392.0 / 4096 * 32
        let power = pow(signal, 1 / m2)
        return 10000 * pow(max(power - c1, 0) / (c2 - c3 * power), 1 / m1)
    }

    /// Inverse OETF of HLG (BT.2100, table 5).
    static func hlgScene(_ signal: Double) -> Double {
        let a = 0.17883277
        let b = 1 - 4 * a
        let c = 0.5 - a * log(4 * a)
        return signal <= 0.5 ? signal * signal / 3 : (exp((signal - c) / a) + b) / 12
    }

    /// Factor from HLG scene light to display light (1 = reference white) for a scene luminance: the OOTF.
    static func hlgGain(luminance: Double) -> Double {
        hlgPeak / referenceWhite * pow(luminance, hlgGamma - 1)
    }

    // MARK: Matrices

    /// Luma weights of red and blue (H.273, table 4).
    static func lumaWeights(of source: ColorDescription) -> (red: Double, blue: Double) {
        switch source.matrix {
        case 4: return (0.30, 0.11)
        case 5, 6: return (0.299, 0.114)
        case 7: return (0.212, 0.087)
        case 9, 10: return (0.2627, 0.0593)
        case 12:  // derived from the primaries: what each adds to the luminance
            let luminance = toXYZ(primaries: source.primaries).row(1)
            return (luminance.x, luminance.z)
        default: return (0.2126, 0.0722)
        }
    }

    /// Chromaticities x, y of red, green, blue and white (H.273, table 2).
    static func chromaticities(primaries: Int) -> [SIMD2<Double>] {
        let d65 = SIMD2(0.3127, 0.3290)
        switch primaries {
        case 4: return [SIMD2(0.67, 0.33), SIMD2(0.21, 0.71), SIMD2(0.14, 0.08), SIMD2(0.310, 0.316)]
        case 5: return [SIMD2(0.64, 0.33), SIMD2(0.29, 0.60), SIMD2(0.15, 0.06), d65]
        case 6, 7: return [SIMD2(0.630, 0.340), SIMD2(0.310, 0.595), SIMD2(0.155, 0.070), d65]
        case 9: return [SIMD2(0.708, 0.292), SIMD2(0.170, 0.797), SIMD2(0.131, 0.046), d65]
        // DCI's white is greenish; adapting it to D65 keeps greys grey.
        case 11: return [SIMD2(0.680, 0.320), SIMD2(0.265, 0.690), SIMD2(0.150, 0.060), SIMD2(0.314, 0.351)]
        case 12: return [SIMD2(0.680, 0.320), SIMD2(0.265, 0.690), SIMD2(0.150, 0.060), d65]
        default: return [SIMD2(0.640, 0.330), SIMD2(0.300, 0.600), SIMD2(0.150, 0.060), d65]
        }
    }

    /// Linear RGB to CIE XYZ (SMPTE RP 177).
    static func toXYZ(primaries: Int) -> Matrix3 {
        let points = chromaticities(primaries: primaries).map { SIMD3($0.x / $0.y, 1, (1 - $0.x - $0.y) / $0.y) }
        let unscaled = Matrix3(columns: points[0], points[1], points[2])
        let scale = unscaled.inverse * points[3]
        return Matrix3(columns: points[0] * scale.x, points[1] * scale.y, points[2] * scale.z)
    }

    /// Linear RGB of some primaries to linear RGB of BT.709; white is adapted by Bradford's cone responses.
    static func toBT709(primaries: Int) -> Matrix3 {
        let source = toXYZ(primaries: primaries)
        let target = toXYZ(primaries: 1)
        let bradford = Matrix3(
            columns: SIMD3(0.8951, -0.7502, 0.0389), SIMD3(0.2664, 1.7135, -0.0685), SIMD3(-0.1614, 0.0367, 1.0296))
        let from = bradford * (source * SIMD3(1, 1, 1))
        let to = bradford * (target * SIMD3(1, 1, 1))
        let adapt = bradford.inverse * (Matrix3(diagonal: to / from) * bradford)
        return target.inverse * (adapt * source)
    }

    // MARK: The whole way

    /// What `ColorConverter` should make of one 10-bit colour: Y', Cb, Cr in 8-bit codes, not rounded.
    static func reference(y: Double, cb: Double, cr: Double, from source: ColorDescription) -> SIMD3<Double> {
        let signal = decode(y: y, cb: cb, cr: cr, from: source)
        if source.keepsLight { return encodeBT709(signal) }
        let light = bt709Light(signal, from: source)
        return encodeBT709(SIMD3(bt709Signal(light.x), bt709Signal(light.y), bt709Signal(light.z)))
    }

    /// R'G'B' of 10-bit Y'CbCr codes.
    static func decode(y: Double, cb: Double, cr: Double, from source: ColorDescription) -> SIMD3<Double> {
        let luma = source.fullRange ? y / 1023 : (y - 64) / 876
        let chroma = source.fullRange ? 1023.0 : 896
        let weight = lumaWeights(of: source)
        let red = luma + 2 * (1 - weight.red) * (cr - 512) / chroma
        let blue = luma + 2 * (1 - weight.blue) * (cb - 512) / chroma
        let green = (luma - weight.red * red - weight.blue * blue) / (1 - weight.red - weight.blue)
        return SIMD3(red, green, blue)
    }

    /// Linear BT.709 RGB of another system's R'G'B', after the tone curve; outside of 0…1 where BT.709 has no such
    /// colour.
    static func bt709Light(_ signal: SIMD3<Double>, from source: ColorDescription) -> SIMD3<Double> {
        var light = SIMD3<Double>()
        for channel in 0..<3 { light[channel] = Self.light(signal[channel], transfer: source.transfer) }
        if source.transfer == 18 {
            let weights = toXYZ(primaries: source.primaries).row(1)
            light *= hlgGain(luminance: (light * weights).sum())
        }
        light = toBT709(primaries: source.primaries) * light
        if let curve = ToneCurve(for: source) { light *= curve.gain(max(light.max(), 1e-9)) }
        return light
    }

    /// 8-bit limited range Y'CbCr of BT.709 R'G'B' (BT.709, 3.2 to 3.5), not rounded.
    static func encodeBT709(_ signal: SIMD3<Double>) -> SIMD3<Double> {
        let weight = lumaWeights(of: .bt709)
        let luma = weight.red * signal.x + (1 - weight.red - weight.blue) * signal.y + weight.blue * signal.z
        return SIMD3(
            16 + 219 * luma,
            128 + 224 * (signal.z - luma) / (2 * (1 - weight.blue)),
            128 + 224 * (signal.x - luma) / (2 * (1 - weight.red)))
    }
}
