internal import CLight

/// The tables of `LightPass`. Their steps are so fine that the nearest value does.
struct LightTables: Sendable {
    /// Light by signal, in steps of a fraction of a luma code.
    let light: [Float]
    /// Signal by light.
    let signal: [Float]
    /// HLG's OOTF factor by scene luminance; empty for others.
    let gain: [Float]

    /// Index of luma code 0 in `light`: no matrix's chroma offset exceeds 2 · 512 codes.
    static let lightOrigin = REELWAY_LIGHT_CODES << REELWAY_LIGHT_BITS

    init(for source: ColorDescription) {
        light = Self.makeLight(for: source)
        signal = Self.bt709
        gain = source.transfer == 18 ? Self.makePieces { ColorScience.hlgGain(luminance: $0) } : []
    }

    private static let bt709 = makePieces { ColorScience.bt709Signal($0) }

    private static func makeLight(for source: ColorDescription) -> [Float] {
        let black = source.fullRange ? 0.0 : 64
        let span = source.fullRange ? 1023.0 : 876
        let step = Double(1 << REELWAY_LIGHT_BITS)
        return (0...3 * lightOrigin).map {
            Float(ColorScience.light((Double($0 - lightOrigin) / step - black) / span, transfer: source.transfer))
        }
    }

    /// The function in the middle of each piece; what is below the first is black.
    private static func makePieces(_ function: (Double) -> Double) -> [Float] {
        func edge(_ piece: Int) -> Double {
            Double(Float(bitPattern: UInt32((REELWAY_FIRST_PIECE + piece) << REELWAY_PIECE_SHIFT)))
        }
        return [0] + (1..<REELWAY_PIECES).map { Float(function((edge($0) + edge($0 + 1)) / 2)) }
    }
}
