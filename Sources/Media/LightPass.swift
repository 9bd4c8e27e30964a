/// The conversion by way of light: HDR, wide gamut, other gammas. See `ColorConverter`.
///
/// Y'CbCr → R'G'B' → light → (HLG: OOTF) → BT.709's primaries → (HDR: tone curve) → BT.709 signal → Y'CbCr.
/// Colours outside of BT.709 are clipped component by component after the tone curve, which itself scales the
/// three components alike and so keeps the hue. (zimg lets them pass, to saturate in the 8-bit Y'CbCr codes.)
///
/// A vector's four lanes are pixels of one row, in two neighbouring 2×2 blocks. A block's chroma is the same for
/// all of its pixels, so that R' = Y + offset(Cr) needs no arithmetic per pixel: the offset, in steps of a luma
/// code, moves the start of the table that Y indexes; its fraction goes into the interpolation.
struct LightPass: Sendable {
    typealias Source = ColorConverter.SourcePlanes
    typealias Target = ColorConverter.TargetPlanes
    private typealias Lanes = SIMD4<Float>
    private typealias Codes = SIMD4<UInt8>

    private let tables: LightTables
    private let curve: ToneCurve?
    private let constants: Constants

    /// What a description changes in the arithmetic.
    private struct Constants: Sendable {
        /// Chroma codes to luma codes, in units of 2^-20 codes: red by Cr, green by Cb and Cr, blue by Cb.
        var redByCr: Int32 = 0
        var greenByCb: Int32 = 0
        var greenByCr: Int32 = 0
        var blueByCb: Int32 = 0
        /// Linear RGB to BT.709's, by row.
        var red = Row()
        var green = Row()
        var blue = Row()
        /// Luminance of the source's RGB.
        var luminance = Row()
        /// The tone curve, see `gain`.
        var knee = Lanes()
        var scale = Lanes()
        var upper = Lanes()
        var lower = Lanes()
        var origin = Lanes()
    }

    /// Three factors, each ready for all lanes.
    private struct Row: Sendable {
        var red = Lanes()
        var green = Lanes()
        var blue = Lanes()

        init() {}

        init(_ row: SIMD3<Double>) {
            red = Lanes(repeating: Float(row.x))
            green = Lanes(repeating: Float(row.y))
            blue = Lanes(repeating: Float(row.z))
        }

        @inline(always)
        func dot(_ red: Lanes, _ green: Lanes, _ blue: Lanes) -> Lanes {
            red * self.red + green * self.green + blue * self.blue
        }
    }

    init(from source: ColorDescription) {
        tables = LightTables(for: source)
        curve = ToneCurve(for: source)
        constants = Self.makeConstants(for: source, curve: curve)
    }

    private static func makeConstants(for source: ColorDescription, curve: ToneCurve?) -> Constants {
        var constants = Constants()
        // Linear in both chroma codes: the decoder itself tells the factors.
        let codes = source.fullRange ? 1023.0 : 876
        let unit = Double(1 << LightTables.fractionBits) * codes
        let grey = ColorScience.decode(y: 0, cb: 512, cr: 512, from: source)
        let byCb = (ColorScience.decode(y: 0, cb: 513, cr: 512, from: source) - grey) * unit
        let byCr = (ColorScience.decode(y: 0, cb: 512, cr: 513, from: source) - grey) * unit
        constants.redByCr = Int32(byCr.x.rounded())
        constants.greenByCb = Int32(byCb.y.rounded())
        constants.greenByCr = Int32(byCr.y.rounded())
        constants.blueByCb = Int32(byCb.z.rounded())

        let gamut = ColorScience.toBT709(primaries: source.primaries)
        constants.red = Row(gamut.row(0))
        constants.green = Row(gamut.row(1))
        constants.blue = Row(gamut.row(2))
        constants.luminance = Row(ColorScience.toXYZ(primaries: source.primaries).row(1))
        if let curve {
            constants.knee = Lanes(repeating: Float(ToneCurve.knee))
            constants.scale = Lanes(repeating: Float(2 * curve.scale))
            constants.upper = Lanes(repeating: Float(2 * (ToneCurve.knee + curve.upper)))
            constants.lower = Lanes(repeating: Float(2 * (ToneCurve.knee + curve.lower)))
            constants.origin = Lanes(repeating: Float(2 * ToneCurve.knee))
        }
        return constants
    }

    // MARK: Pixels

    func convert(rows: Range<Int>, width: Int, from source: Source, to target: Target) {
        tables.light.withUnsafeBytes { light in
            tables.signal.withUnsafeBytes { signal in
                tables.gain.withUnsafeBytes { gain in
                    guard let light = light.baseAddress, let signal = signal.baseAddress else { return }
                    let tables = Pointers(
                        light: light + LightTables.lightOrigin * 8, signal: signal, gain: gain.baseAddress ?? signal)
                    for row in stride(from: rows.lowerBound, to: rows.upperBound, by: 2) {
                        convert(row, width & ~3, source, target, tables)
                        if width & 3 != 0 { convertLastBlock(row, width - 2, source, target, tables) }
                    }
                }
            }
        }
    }

    private func convert(_ row: Int, _ width: Int, _ source: Source, _ target: Target, _ tables: Pointers) {
        if !self.tables.gain.isEmpty {
            convertHLG(row, width, source, target, tables)
        } else if curve != nil {
            convertPQ(row, width, source, target, tables)
        } else {
            convertSDR(row, width, source, target, tables)
        }
    }

    /// Converts the block that has no neighbour, in a picture of its own: twice, and takes one.
    private func convertLastBlock(_ row: Int, _ x: Int, _ source: Source, _ target: Target, _ tables: Pointers) {
        let y = source.y + row * source.yStride + x
        let (a, b) = (y[source.yStride], y[source.yStride + 1])
        let cb = source.cb[row / 2 * source.cbStride + x / 2]
        let cr = source.cr[row / 2 * source.crStride + x / 2]
        let block = [y[0], y[1], y[0], y[1], a, b, a, b, cb, cb, cr, cr]
        var result = [UInt8](repeating: 0, count: block.count)
        block.withUnsafeBufferPointer { block in
            result.withUnsafeMutableBufferPointer { result in
                guard let from = block.baseAddress, let to = result.baseAddress else { return }
                convert(
                    0, 4, Source(y: from, cb: from + 8, cr: from + 10, yStride: 4, cbStride: 2, crStride: 2),
                    Target(y: to, cb: to + 8, cr: to + 10, yStride: 4, cbStride: 2, crStride: 2), tables)
            }
        }
        let out = target.y + row * target.yStride + x
        (out[0], out[1]) = (result[0], result[1])
        (out[target.yStride], out[target.yStride + 1]) = (result[4], result[5])
        target.cb[row / 2 * target.cbStride + x / 2] = result[8]
        target.cr[row / 2 * target.crStride + x / 2] = result[10]
    }

    // Constant arguments make three loops of one. Each is a function of its own, as the compiler stops inlining
    // in one that grows too large.

    @inline(never)
    private func convertHLG(_ row: Int, _ width: Int, _ source: Source, _ target: Target, _ tables: Pointers) {
        convertRows(row, width, source, target, tables, ootf: true, squeeze: true)
    }

    @inline(never)
    private func convertPQ(_ row: Int, _ width: Int, _ source: Source, _ target: Target, _ tables: Pointers) {
        convertRows(row, width, source, target, tables, ootf: false, squeeze: true)
    }

    @inline(never)
    private func convertSDR(_ row: Int, _ width: Int, _ source: Source, _ target: Target, _ tables: Pointers) {
        convertRows(row, width, source, target, tables, ootf: false, squeeze: false)
    }

    /// The tables' starts; that of light is luma code 0's.
    private struct Pointers {
        var light: UnsafeRawPointer
        var signal: UnsafeRawPointer
        var gain: UnsafeRawPointer
    }

    /// Converts two luma rows and one chroma row; `width` is a multiple of 4.
    @inline(always)
    private func convertRows(
        _ row: Int, _ width: Int, _ source: Source, _ target: Target, _ tables: Pointers, ootf: Bool, squeeze: Bool
    ) {
        let upperY = source.y + row &* source.yStride
        let lowerY = upperY + source.yStride
        let sourceCb = source.cb + (row >> 1) &* source.cbStride
        let sourceCr = source.cr + (row >> 1) &* source.crStride
        let upperOut = target.y + row &* target.yStride
        let lowerOut = upperOut + target.yStride
        let targetCb = target.cb + (row >> 1) &* target.cbStride
        let targetCr = target.cr + (row >> 1) &* target.crStride

        for column in stride(from: 0, to: width >> 1, by: 2) {
            let x = 2 &* column
            let first = offsets(cb: sourceCb[column], cr: sourceCr[column], tables)
            let second = offsets(cb: sourceCb[column &+ 1], cr: sourceCr[column &+ 1], tables)
            let upper = signal(upperY + x, first, second, tables, ootf, squeeze)
            let lower = signal(lowerY + x, first, second, tables, ootf, squeeze)

            let bluePairs = upper.blue - upper.luma + (lower.blue - lower.luma)
            let redPairs = upper.red - upper.luma + (lower.red - lower.luma)
            let pairs = SIMD8(lowHalf: bluePairs, highHalf: redPairs)
            let chroma = Self.codes(
                (pairs.evenHalf + pairs.oddHalf) * Lanes(Weights.cb, Weights.cb, Weights.cr, Weights.cr) + 128)
            UnsafeMutableRawPointer(upperOut + x).storeBytes(of: Self.codes(upper.luma * 219 + 16), as: Codes.self)
            UnsafeMutableRawPointer(lowerOut + x).storeBytes(of: Self.codes(lower.luma * 219 + 16), as: Codes.self)
            UnsafeMutableRawPointer(targetCb + column).storeBytes(of: chroma.lowHalf, as: SIMD2<UInt8>.self)
            UnsafeMutableRawPointer(targetCr + column).storeBytes(of: chroma.highHalf, as: SIMD2<UInt8>.self)
        }
    }

    /// What one block's chroma adds to luma, for red, green and blue.
    private struct Offsets {
        var red: UnsafeRawPointer
        var green: UnsafeRawPointer
        var blue: UnsafeRawPointer
        var fractions: Lanes
    }

    @inline(always)
    private func offsets(cb: UInt16, cr: UInt16, _ tables: Pointers) -> Offsets {
        // A damaged picture may hold codes above 1023: masked, they stay inside the tables.
        let cb = Int32(cb & 1023) &- 512
        let cr = Int32(cr & 1023) &- 512
        let red = cr &* constants.redByCr
        let green = cb &* constants.greenByCb &+ cr &* constants.greenByCr
        let blue = cb &* constants.blueByCb
        let mask: Int32 = 1 << LightTables.fractionBits &- 1
        return Offsets(
            red: tables.light + Int(red >> LightTables.fractionBits) &* 8,
            green: tables.light + Int(green >> LightTables.fractionBits) &* 8,
            blue: tables.light + Int(blue >> LightTables.fractionBits) &* 8,
            fractions: Lanes(Float(red & mask), Float(green & mask), Float(blue & mask), 0))
    }

    /// Red, blue and luma signals of two pixels each of two blocks.
    @inline(always)
    private func signal(
        _ y: UnsafePointer<UInt16>, _ p: Offsets, _ q: Offsets, _ tables: Pointers, _ ootf: Bool, _ squeeze: Bool
    ) -> (red: Lanes, blue: Lanes, luma: Lanes) {
        let (a, b) = (Int(y[0] & 1023) &* 8, Int(y[1] & 1023) &* 8)
        let (c, d) = (Int(y[2] & 1023) &* 8, Int(y[3] & 1023) &* 8)
        var red = Self.interpolate(
            p.red + a, p.red + b, q.red + c, q.red + d, Self.doubled(p.fractions, q.fractions, 0))
        var green = Self.interpolate(
            p.green + a, p.green + b, q.green + c, q.green + d, Self.doubled(p.fractions, q.fractions, 1))
        var blue = Self.interpolate(
            p.blue + a, p.blue + b, q.blue + c, q.blue + d, Self.doubled(p.fractions, q.fractions, 2))

        var factor = Lanes(repeating: 1)
        if ootf { factor = Self.lookUp(tables.gain, constants.luminance.dot(red, green, blue)) }
        (red, green, blue) = (
            constants.red.dot(red, green, blue),
            constants.green.dot(red, green, blue),
            constants.blue.dot(red, green, blue)
        )
        if squeeze { factor *= gain(Self.greatest(red, green, blue) * factor) }
        if ootf || squeeze {
            red *= factor
            green *= factor
            blue *= factor
        }
        red = Self.lookUp(tables.signal, red)
        green = Self.lookUp(tables.signal, green)
        blue = Self.lookUp(tables.signal, blue)
        return (red, blue, red * Weights.red + green * Weights.green + blue * Weights.blue)
    }

    /// `ToneCurve.gain`, which is 1 at the knee: light below it is taken for it. `excess` is twice what exceeds it.
    @inline(always)
    private func gain(_ light: Lanes) -> Lanes {
        let difference = light - constants.knee
        let excess = difference + Self.magnitude(difference)
        return constants.scale * (excess + constants.upper)
            / ((excess + constants.lower) * (excess + constants.origin))
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

    @inline(always)
    private static func doubled(_ p: Lanes, _ q: Lanes, _ i: Int) -> Lanes { Lanes(p[i], p[i], q[i], q[i]) }

    /// The value of a table of pieces. The upper halves of floats are the odd ones: little-endian, as all of
    /// Swift's platforms are.
    @inline(always)
    private static func lookUp(_ table: UnsafeRawPointer, _ x: Lanes) -> Lanes {
        let bits = unsafeBitCast(x, to: SIMD8<UInt16>.self)
        return interpolate(
            table + Int(bits[1]) &* 8, table + Int(bits[3]) &* 8, table + Int(bits[5]) &* 8,
            table + Int(bits[7]) &* 8, x)
    }

    /// value + slope · x of four pieces. Loading a piece as one `Double` makes half a vector of it at once.
    @inline(always)
    private static func interpolate(
        _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ c: UnsafeRawPointer, _ d: UnsafeRawPointer, _ x: Lanes
    ) -> Lanes {
        let ab = unsafeBitCast(SIMD2(a.load(as: Double.self), b.load(as: Double.self)), to: Lanes.self)
        let cd = unsafeBitCast(SIMD2(c.load(as: Double.self), d.load(as: Double.self)), to: Lanes.self)
        let pieces = SIMD8(lowHalf: ab, highHalf: cd)
        return pieces.evenHalf + pieces.oddHalf * x
    }

    // Swift builds comparisons and choices of vectors from scalars, and the optimizer does not always find back.
    // Sign bits do without.

    @inline(always)
    private static func magnitude(_ x: Lanes) -> Lanes {
        unsafeBitCast(unsafeBitCast(x, to: SIMD4<UInt32>.self) & 0x7fff_ffff, to: Lanes.self)
    }

    @inline(always)
    private static func greatest(_ a: Lanes, _ b: Lanes, _ c: Lanes) -> Lanes {
        let ab = (a + b + magnitude(a - b)) * 0.5
        return (ab + c + magnitude(ab - c)) * 0.5
    }

    /// The nearest 8-bit codes: in a float as great as 2^23 the last bit weighs 1.
    @inline(always)
    private static func codes(_ x: Lanes) -> Codes {
        Codes(truncatingIfNeeded: unsafeBitCast(x + 8_388_608, to: SIMD4<UInt32>.self))
    }
}
