/// The tables of `LightPass`, which interpolates in them.
struct LightTables: Sendable {
    /// A value and a slope: value + slope · position. 8 bytes.
    typealias Piece = SIMD2<Float>

    /// Light by signal, one piece per luma code.
    let light: [Piece]
    /// Signal by light.
    let signal: [Piece]
    /// HLG's OOTF factor by scene luminance; empty for others.
    let gain: [Piece]

    /// Index of luma code 0 in `light`: no matrix's chroma offset exceeds 2 · 512 codes.
    static let lightOrigin = 1024
    /// A slope of `light` is per 2^-20 luma code.
    static let fractionBits = 20

    /// The pieces of `signal` and `gain` are the floats of equal upper 16 bits: sign, exponent and
    /// 7 bits of the mantissa. There is one for every such pattern, so that no number leads outside; those for
    /// 2^-24 (0.2 codes in 8 bits) to 4 are computed, those for less stand for black.
    private static let pieceCount = 1 << 16
    private static let computed = 103 << 7..<129 << 7

    init(for source: ColorDescription) {
        light = Self.makeLight(for: source)
        signal = Self.bt709
        gain = source.transfer == 18 ? Self.makePieces { ColorScience.hlgGain(luminance: $0) } : []
    }

    private static let bt709 = makePieces { ColorScience.bt709Signal($0) }

    private static func makeLight(for source: ColorDescription) -> [Piece] {
        let black = source.fullRange ? 0.0 : 64
        let span = source.fullRange ? 1023.0 : 876
        let light = (0...3 * lightOrigin).map {
            ColorScience.light((Double($0 - lightOrigin) - black) / span, transfer: source.transfer)
        }
        let unit = Double(1 << fractionBits)
        return (0..<3 * lightOrigin).map { Piece(Float(light[$0]), Float((light[$0 + 1] - light[$0]) / unit)) }
    }

    private static func makePieces(_ function: (Double) -> Double) -> [Piece] {
        func edge(_ index: Int) -> Double { Double(Float(bitPattern: UInt32(index) << 16)) }
        var pieces = [Piece](repeating: Piece(0, 0), count: pieceCount)
        for index in computed {
            let (start, end) = (edge(index), edge(index + 1))
            let slope = (function(end) - function(start)) / (end - start)
            pieces[index] = Piece(Float(function(start) - slope * start), Float(slope))
        }
        // Greater ones, up to infinity.
        let last = Piece(Float(function(edge(computed.upperBound))), 0)
        for index in computed.upperBound..<(pieceCount / 2) { pieces[index] = last }
        return pieces
    }
}
