/// The conversion by way of light: HDR, wide gamut, other gammas. See `ColorConverter`.
///
/// Y'CbCr → R'G'B' → light → (HLG: OOTF) → BT.709's primaries → (HDR: tone curve) → BT.709 signal → Y'CbCr.
/// Colours outside of BT.709 are clipped component by component after the tone curve, as zimg does; the curve
/// itself scales the three components alike and so keeps the hue.
///
/// The four pixels of a 2×2 block are the four lanes of a vector. Their chroma is the same, so that
/// R' = Y + offset(Cr) needs no arithmetic per pixel: the offset, in steps of a luma code, moves the start of
/// the table which Y indexes; its fraction goes into the interpolation.
struct LightPass: Sendable {
    private typealias Lanes = SIMD4<Float>
    /// A value and a slope: value + slope · position.
    private typealias Piece = SIMD2<Float>

    /// Light by signal, one piece per luma code.
    private let lightTable: [Piece]
    /// Signal by light.
    private let signalTable: [Piece]
    /// HLG's OOTF factor by scene luminance; empty for others.
    private let gainTable: [Piece]
    private let curve: ToneCurve?
    private let constants: Constants

    private struct Constants: Sendable {
        /// Chroma codes to luma codes, in units of 2^-20 codes: red by Cr, green by Cb and Cr, blue by Cb.
        var redByCr = 0
        var greenByCb = 0
        var greenByCr = 0
        var blueByCb = 0
        /// Linear RGB to BT.709's, by row.
        var red = SIMD3<Float>()
        var green = SIMD3<Float>()
        var blue = SIMD3<Float>()
        /// Luminance of the source's RGB.
        var luminance = SIMD3<Float>()
        var knee: Float = 0
        var scale: Float = 0
        var upper: Float = 0
        var lower: Float = 0
    }

    /// Index of luma code 0 in `lightTable`: no matrix's chroma offset exceeds 2 · 512 codes.
    private static let lightOrigin = 1024
    private static let fractionBits = 20

    /// The pieces of `signalTable` and `gainTable` are the floats of equal upper 16 bits: sign, exponent and
    /// 7 bits of the mantissa. The first begins at 2^-24 (0.2 codes in 8 bits) and stands for black, the last
    /// ends at 4.
    private static let firstBits = 103 << 7
    private static let pieceCount = 26 << 7
    private static let smallest = Float(sign: .plus, exponent: -24, significand: 1)

    init(from source: ColorDescription) {
        lightTable = Self.makeLightTable(for: source)
        signalTable = Self.makePieces { ColorScience.bt709Signal($0) }
        gainTable = source.transfer == 18 ? Self.makePieces { ColorScience.hlgGain(luminance: $0) } : []
        curve = ToneCurve(for: source)
        constants = Self.makeConstants(for: source, curve: curve)
    }

    // MARK: Tables

    private static func makeLightTable(for source: ColorDescription) -> [Piece] {
        let black = source.fullRange ? 0.0 : 64
        let span = source.fullRange ? 1023.0 : 876
        let light = (0...3 * lightOrigin).map {
            ColorScience.light((Double($0 - lightOrigin) - black) / span, transfer: source.transfer)
        }
        let unit = Double(1 << fractionBits)
        return (0..<3 * lightOrigin).map { Piece(Float(light[$0]), Float((light[$0 + 1] - light[$0]) / unit)) }
    }

    private static func makePieces(_ function: (Double) -> Double) -> [Piece] {
        (0..<pieceCount).map { index in
            if index == 0 { return Piece(0, 0) }
            let start = Double(Float(bitPattern: UInt32(firstBits + index) << 16))
            let end = Double(Float(bitPattern: UInt32(firstBits + index + 1) << 16))
            let slope = (function(end) - function(start)) / (end - start)
            return Piece(Float(function(start) - slope * start), Float(slope))
        }
    }

    private static func makeConstants(for source: ColorDescription, curve: ToneCurve?) -> Constants {
        var constants = Constants()
        // Linear in both chroma codes: the decoder itself tells the factors.
        let codes = source.fullRange ? 1023.0 : 876
        let unit = Double(1 << fractionBits) * codes
        let grey = ColorScience.decode(y: 0, cb: 512, cr: 512, from: source)
        let byCb = (ColorScience.decode(y: 0, cb: 513, cr: 512, from: source) - grey) * unit
        let byCr = (ColorScience.decode(y: 0, cb: 512, cr: 513, from: source) - grey) * unit
        constants.redByCr = Int(byCr.x.rounded())
        constants.greenByCb = Int(byCb.y.rounded())
        constants.greenByCr = Int(byCr.y.rounded())
        constants.blueByCb = Int(byCb.z.rounded())

        let gamut = ColorScience.toBT709(primaries: source.primaries)
        constants.red = SIMD3<Float>(gamut.row(0))
        constants.green = SIMD3<Float>(gamut.row(1))
        constants.blue = SIMD3<Float>(gamut.row(2))
        constants.luminance = SIMD3<Float>(ColorScience.toXYZ(primaries: source.primaries).row(1))
        if let curve {
            constants.knee = Float(ToneCurve.knee)
            constants.scale = Float(curve.scale)
            constants.upper = Float(curve.upper)
            constants.lower = Float(curve.lower)
        }
        return constants
    }

    // MARK: Pixels

    func convert(
        rows: Range<Int>, width: Int, from source: ColorConverter.SourcePlanes, to target: ColorConverter.TargetPlanes
    ) {
        // Constant arguments make three loops of one.
        switch (gainTable.isEmpty, curve == nil) {
        case (false, _): walk(rows, width, source, target, ootf: true, squeeze: true)
        case (true, false): walk(rows, width, source, target, ootf: false, squeeze: true)
        case (true, true): walk(rows, width, source, target, ootf: false, squeeze: false)
        }
    }

    @inline(__always)
    private func walk(
        _ rows: Range<Int>, _ width: Int,
        _ source: ColorConverter.SourcePlanes, _ target: ColorConverter.TargetPlanes, ootf: Bool, squeeze: Bool
    ) {
        lightTable.withUnsafeBufferPointer { lightTable in
            signalTable.withUnsafeBufferPointer { signalTable in
                gainTable.withUnsafeBufferPointer { gainTable in
                    guard let light = lightTable.baseAddress, let signal = signalTable.baseAddress else { return }
                    let gain = gainTable.baseAddress ?? signal
                    for row in stride(from: rows.lowerBound, to: rows.upperBound, by: 2) {
                        convertRows(
                            row, width, source, target, light: light + Self.lightOrigin, signal: signal, gain: gain,
                            ootf: ootf, squeeze: squeeze)
                    }
                }
            }
        }
    }

    /// Converts two luma rows and one chroma row.
    @inline(__always)
    private func convertRows(
        _ row: Int, _ width: Int,
        _ source: ColorConverter.SourcePlanes, _ target: ColorConverter.TargetPlanes,
        light: UnsafePointer<Piece>, signal: UnsafePointer<Piece>, gain: UnsafePointer<Piece>,
        ootf: Bool, squeeze: Bool
    ) {
        let constants = self.constants
        let mask = 1 << Self.fractionBits &- 1
        let upperY = source.y + row &* source.yStride
        let lowerY = upperY + source.yStride
        let sourceCb = source.cb + (row >> 1) &* source.cbStride
        let sourceCr = source.cr + (row >> 1) &* source.crStride
        let upperOut = target.y + row &* target.yStride
        let lowerOut = upperOut + target.yStride
        let targetCb = target.cb + (row >> 1) &* target.cbStride
        let targetCr = target.cr + (row >> 1) &* target.crStride

        for column in 0..<(width >> 1) {
            // A damaged picture may hold codes above 1023: masked, they stay inside the tables.
            let cb = Int(sourceCb[column] & 1023) &- 512
            let cr = Int(sourceCr[column] & 1023) &- 512
            let x = column &<< 1
            let luma = SIMD4<Int>(
                Int(upperY[x] & 1023), Int(upperY[x &+ 1] & 1023), Int(lowerY[x] & 1023), Int(lowerY[x &+ 1] & 1023))

            let redOffset = cr &* constants.redByCr
            let greenOffset = cb &* constants.greenByCb &+ cr &* constants.greenByCr
            let blueOffset = cb &* constants.blueByCb
            var red = Self.linear(light + redOffset >> Self.fractionBits, luma, Float(redOffset & mask))
            var green = Self.linear(light + greenOffset >> Self.fractionBits, luma, Float(greenOffset & mask))
            var blue = Self.linear(light + blueOffset >> Self.fractionBits, luma, Float(blueOffset & mask))

            var factor = Lanes(repeating: 1)
            if ootf {
                let luminance =
                    red * constants.luminance.x + green * constants.luminance.y + blue * constants.luminance.z
                factor = Self.lookUp(gain, Self.atLeast(luminance, Self.smallest))
            }
            (red, green, blue) = (
                red * constants.red.x + green * constants.red.y + blue * constants.red.z,
                red * constants.green.x + green * constants.green.y + blue * constants.green.z,
                red * constants.blue.x + green * constants.blue.y + blue * constants.blue.z
            )
            if squeeze {
                let greatest = Self.greater(Self.greater(red, green), blue) * factor
                let squeezed =
                    factor * constants.scale * (greatest + constants.upper) / ((greatest + constants.lower) * greatest)
                factor.replace(with: squeezed, where: greatest .> constants.knee)
            }
            if ootf || squeeze {
                red *= factor
                green *= factor
                blue *= factor
            }
            red = Self.lookUp(signal, Self.clip(red))
            green = Self.lookUp(signal, Self.clip(green))
            blue = Self.lookUp(signal, Self.clip(blue))

            let weighted = red * Weights.red + green * Weights.green + blue * Weights.blue
            let codes = Self.rounded(weighted * 219 + 16)
            upperOut[x] = UInt8(truncatingIfNeeded: codes[0])
            upperOut[x &+ 1] = UInt8(truncatingIfNeeded: codes[1])
            lowerOut[x] = UInt8(truncatingIfNeeded: codes[2])
            lowerOut[x &+ 1] = UInt8(truncatingIfNeeded: codes[3])

            let lumaSum = weighted.sum()
            let chroma = Self.rounded(
                Lanes((blue.sum() - lumaSum) * Weights.cb + 128, (red.sum() - lumaSum) * Weights.cr + 128, 0, 0))
            targetCb[column] = UInt8(truncatingIfNeeded: chroma[0])
            targetCr[column] = UInt8(truncatingIfNeeded: chroma[1])
        }
    }

    /// BT.709, 3.2 and 3.3; chroma of the sum of four pixels.
    private enum Weights {
        static let red: Float = 0.2126
        static let green: Float = 0.7152
        static let blue: Float = 0.0722
        static let cb: Float = 224 / 1.8556 / 4
        static let cr: Float = 224 / 1.5748 / 4
    }

    // MARK: Vectors

    /// Light of one channel of the four pixels.
    @inline(__always)
    private static func linear(_ table: UnsafePointer<Piece>, _ luma: SIMD4<Int>, _ fraction: Float) -> Lanes {
        let (a, b, c, d) = (table[luma[0]], table[luma[1]], table[luma[2]], table[luma[3]])
        return Lanes(a.x, b.x, c.x, d.x) + Lanes(a.y, b.y, c.y, d.y) * fraction
    }

    /// The value of a table of pieces; `x` lies in 2^-24 ..< 4.
    @inline(__always)
    private static func lookUp(_ table: UnsafePointer<Piece>, _ x: Lanes) -> Lanes {
        let table = table - firstBits
        let bits = unsafeBitCast(x, to: SIMD8<UInt16>.self)
        let (a, b, c, d) = (table[Int(bits[1])], table[Int(bits[3])], table[Int(bits[5])], table[Int(bits[7])])
        return Lanes(a.x, b.x, c.x, d.x) + Lanes(a.y, b.y, c.y, d.y) * x
    }

    @inline(__always)
    private static func greater(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: a .< b) }

    @inline(__always)
    private static func atLeast(_ x: Lanes, _ bound: Float) -> Lanes {
        x.replacing(with: Lanes(repeating: bound), where: x .< bound)
    }

    @inline(__always)
    private static func clip(_ x: Lanes) -> Lanes {
        let x = atLeast(x, smallest)
        return x.replacing(with: Lanes(repeating: 1), where: x .> 1)
    }

    /// The nearest integers to small positive numbers: in a float this great the last bit weighs 1.
    @inline(__always)
    private static func rounded(_ x: Lanes) -> SIMD4<UInt32> {
        unsafeBitCast(x + 8_388_608, to: SIMD4<UInt32>.self)
    }
}
