/// Squeezes HDR highlights into SDR: the Möbius curve, as libav's `tonemap=mobius` and mpv have it.
///
/// Up to `knee` light passes unchanged, so that shadows and skin keep their contrast; above, a Möbius
/// transform with the same value and slope there ends with `peak` on 1. Diffuse white comes out at 85 % video
/// level (Hable's curve: 68 %; BT.2390's, which must squeeze in PQ: 90 %).
struct ToneCurve: Sendable, Hashable {
    /// Where the curve begins, 1 being reference white: libav's default.
    static let knee = 0.3
    /// The light that becomes 1.
    let peak: Double
    /// f(x) = scale · (x + upper) / (x + lower) above the knee.
    let scale: Double
    let upper: Double
    let lower: Double

    init(peak: Double) {
        // At exactly 1 there is nothing to squeeze and the formula divides by zero.
        let peak = max(peak, 1.001)
        let knee = Self.knee
        self.peak = peak
        upper = -knee * knee * (peak - 1) / (knee * knee - 2 * knee + peak)
        lower = (knee * knee - 2 * knee * peak + peak) / (peak - 1)
        scale = (lower * lower + 2 * lower * knee + knee * knee) / (lower - upper)
    }

    /// The curve for a source, or `nil` if it is SDR.
    init?(for source: ColorDescription) {
        switch source.transfer {
        // HLG adapts to its display instead of telling a peak.
        case 18: self.init(peak: ColorScience.hlgPeak / ColorScience.referenceWhite)
        case 16:
            // Zero means "unknown" in CTA-861; PQ ends at 10000.
            let told = source.peakNits.flatMap { $0.isFinite && $0 > 0 ? min($0, 10000) : nil }
            self.init(peak: (told ?? ColorScience.defaultPQPeak) / ColorScience.referenceWhite)
        default: return nil
        }
    }

    /// The factor for a colour whose greatest component is `light`: one for all three, so that hue stays.
    func gain(_ light: Double) -> Double {
        light <= Self.knee ? 1 : scale * (light + upper) / ((light + lower) * light)
    }
}
