import Foundation

/// The colour difference CIEDE2000 (CIE 142-2001), after Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference
/// Formula: Implementation Notes, Supplementary Test Data, and Mathematical Observations" (2005).
enum CIEDE2000 {
    /// The difference of two CIE L*a*b* colours.
    static func difference(_ first: SIMD3<Double>, _ second: SIMD3<Double>) -> Double {
        let chroma1 = hypot(first.y, first.z)
        let chroma2 = hypot(second.y, second.z)
        let power = pow((chroma1 + chroma2) / 2, 7)
        let g = 0.5 * (1 - (power / (power + pow(25, 7))).squareRoot())
        let a1 = (1 + g) * first.y
        let a2 = (1 + g) * second.y
        let c1 = hypot(a1, first.z)
        let c2 = hypot(a2, second.z)
        let h1 = hue(a1, first.z)
        let h2 = hue(a2, second.z)

        let deltaL = second.x - first.x
        let deltaC = c2 - c1
        var turn = 0.0
        if c1 * c2 != 0 {
            turn = h2 - h1
            if turn > 180 { turn -= 360 }
            if turn < -180 { turn += 360 }
        }
        let deltaH = 2 * (c1 * c2).squareRoot() * sin(radians(turn / 2))

        let l = (first.x + second.x) / 2
        let c = (c1 + c2) / 2
        var h = h1 + h2
        if c1 * c2 != 0 {
            if abs(h1 - h2) > 180 { h += h < 360 ? 360 : -360 }
            h /= 2
        }
        let t =
            1 - 0.17 * cos(radians(h - 30)) + 0.24 * cos(radians(2 * h)) + 0.32 * cos(radians(3 * h + 6))
            - 0.20 * cos(radians(4 * h - 63))
        let rotation = 30 * exp(-pow((h - 275) / 25, 2))
        let cPower = pow(c, 7)
        let rC = 2 * (cPower / (cPower + pow(25, 7))).squareRoot()
        let sL = 1 + 0.015 * pow(l - 50, 2) / (20 + pow(l - 50, 2)).squareRoot()
        let sC = 1 + 0.045 * c
        let sH = 1 + 0.015 * c * t
        let rT = -sin(radians(2 * rotation)) * rC
        let (x, y, z) = (deltaL / sL, deltaC / sC, deltaH / sH)
        return (x * x + y * y + z * z + rT * y * z).squareRoot()
    }

    /// The difference of two 8-bit limited range BT.709 colours as an sRGB screen shows them.
    static func difference(codes first: SIMD3<UInt8>, _ second: SIMD3<UInt8>) -> Double {
        difference(lab(codes: first), lab(codes: second))
    }

    /// CIE L*a*b* (D65) of an 8-bit limited range BT.709 colour on an sRGB screen.
    static func lab(codes: SIMD3<UInt8>) -> SIMD3<Double> {
        let luma = (Double(codes.x) - 16) / 219
        let cb = (Double(codes.y) - 128) / 224
        let cr = (Double(codes.z) - 128) / 224
        let signal = SIMD3(luma + 1.5748 * cr, luma - 0.187324 * cb - 0.468124 * cr, luma + 1.8556 * cb)
        return lab(linear: SIMD3(linear(signal.x), linear(signal.y), linear(signal.z)))
    }

    /// CIE L*a*b* (D65) of linear light in BT.709's primaries.
    static func lab(linear rgb: SIMD3<Double>) -> SIMD3<Double> {
        let x = 0.4123908 * rgb.x + 0.3575843 * rgb.y + 0.1804808 * rgb.z
        let y = 0.2126390 * rgb.x + 0.7151687 * rgb.y + 0.0721923 * rgb.z
        let z = 0.0193308 * rgb.x + 0.1191948 * rgb.y + 0.9505322 * rgb.z
        let (fx, fy, fz) = (root(x / 0.9504559), root(y), root(z / 1.0890578))
        return SIMD3(116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz))
    }

    private static func linear(_ signal: Double) -> Double {
        let value = min(max(signal, 0), 1)
        return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }

    private static func root(_ t: Double) -> Double { t > 216.0 / 24389 ? cbrt(t) : (24389 * t / 27 + 16) / 116 }
    private static func radians(_ degrees: Double) -> Double { degrees * .pi / 180 }

    private static func hue(_ a: Double, _ b: Double) -> Double {
        guard a != 0 || b != 0 else { return 0 }
        let degrees = atan2(b, a) * 180 / .pi
        return degrees < 0 ? degrees + 360 : degrees
    }
}
