/// The conversion within one gamma: another matrix, another range. See `ColorConverter`.
///
/// Linear in the codes, so that no R'G'B' is needed: Y'CbCr → Y'CbCr in integers.
struct MatrixPass: Sendable {
    /// Units of 1/2^16 of an 8-bit code.
    private let lumaScale: Int32
    private let lumaByCb: Int32
    private let lumaByCr: Int32
    private let lumaOrigin: Int32
    private let cbByCb: Int32
    private let cbByCr: Int32
    private let crByCb: Int32
    private let crByCr: Int32

    private static let shift: Int32 = 16

    init(from source: ColorDescription) {
        // The conversion is linear: its values at four colours tell everything.
        let origin = ColorScience.reference(y: 0, cb: 512, cr: 512, from: source)
        func coefficients(_ colour: SIMD3<Double>) -> SIMD3<Int32> {
            let scaled = (colour - origin) * Double(1 << Self.shift)
            return SIMD3(Int32(scaled.x.rounded()), Int32(scaled.y.rounded()), Int32(scaled.z.rounded()))
        }
        let byY = coefficients(ColorScience.reference(y: 1, cb: 512, cr: 512, from: source))
        let byCb = coefficients(ColorScience.reference(y: 0, cb: 513, cr: 512, from: source))
        let byCr = coefficients(ColorScience.reference(y: 0, cb: 512, cr: 513, from: source))
        lumaScale = byY.x
        lumaByCb = byCb.x
        lumaByCr = byCr.x
        lumaOrigin = Int32((origin.x * Double(1 << Self.shift)).rounded()) + 1 << (Self.shift - 1)
        cbByCb = byCb.y
        cbByCr = byCr.y
        crByCb = byCb.z
        crByCr = byCr.z
    }

    func convert(
        width: Int, height: Int, from source: ColorConverter.SourcePlanes, to target: ColorConverter.TargetPlanes
    ) {
        for row in stride(from: 0, to: height, by: 2) {
            let upperY = source.y + row &* source.yStride
            let lowerY = upperY + source.yStride
            let sourceCb = source.cb + (row >> 1) &* source.cbStride
            let sourceCr = source.cr + (row >> 1) &* source.crStride
            let upperOut = target.y + row &* target.yStride
            let lowerOut = upperOut + target.yStride
            let targetCb = target.cb + (row >> 1) &* target.cbStride
            let targetCr = target.cr + (row >> 1) &* target.crStride
            let chromaOrigin: Int32 = 128 << Self.shift &+ 1 << (Self.shift &- 1)

            for column in 0..<(width >> 1) {
                let cb = Int32(sourceCb[column]) &- 512
                let cr = Int32(sourceCr[column]) &- 512
                let x = column &<< 1
                let offset = cb &* lumaByCb &+ cr &* lumaByCr &+ lumaOrigin
                upperOut[x] = Self.code(Int32(upperY[x]) &* lumaScale &+ offset)
                upperOut[x &+ 1] = Self.code(Int32(upperY[x &+ 1]) &* lumaScale &+ offset)
                lowerOut[x] = Self.code(Int32(lowerY[x]) &* lumaScale &+ offset)
                lowerOut[x &+ 1] = Self.code(Int32(lowerY[x &+ 1]) &* lumaScale &+ offset)
                targetCb[column] = Self.code(cb &* cbByCb &+ cr &* cbByCr &+ chromaOrigin)
                targetCr[column] = Self.code(cb &* crByCb &+ cr &* crByCr &+ chromaOrigin)
            }
        }
    }

    @inline(__always)
    private static func code(_ value: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(value &>> shift, 0), 255))
    }
}
