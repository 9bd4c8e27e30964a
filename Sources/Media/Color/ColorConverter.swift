/// Turns 10-bit 4:2:0 pictures of any colour description into 8-bit 4:2:0 BT.709 in limited range.
///
/// One fused pass: no intermediate picture is written. The tables are built once.
struct ColorConverter: Sendable {
    private enum Pass: Sendable {
        case matrix(MatrixPass)
        case light(LightPass)
    }

    private let pass: Pass

    init(from source: ColorDescription, with instructions: LightPass.Instructions = .best) {
        pass =
            source.keepsLight
            ? .matrix(MatrixPass(from: source)) : .light(LightPass(from: source, with: instructions))
    }

    /// Whether a picture differs from BT.709 in limited range. What is not specified counts as BT.709.
    static func isNeeded(_ source: ColorDescription) -> Bool {
        source.fullRange || !source.keepsLight || [4, 5, 6, 7, 9, 10, 12].contains(source.matrix)
    }

    /// Converts a picture of even sides.
    ///
    /// Chroma is taken as constant over its 2×2 block; the output's is the mean of the block's four converted pixels.
    func convert(width: Int, height: Int, from source: SourcePlanes, to target: TargetPlanes) {
        precondition((width | height) & 1 == 0, "4:2:0 needs even sides")
        switch pass {
        case .matrix(let pass): pass.convert(width: width, height: height, from: source, to: target)
        case .light(let pass): pass.convert(width: width, height: height, from: source, to: target)
        }
    }

    /// Where a 10-bit picture lies (yuv420p10 in the machine's byte order). Strides are in elements.
    struct SourcePlanes {
        var y: UnsafePointer<UInt16>
        var cb: UnsafePointer<UInt16>
        var cr: UnsafePointer<UInt16>
        var yStride: Int
        var cbStride: Int
        var crStride: Int
    }

    /// Where an 8-bit picture goes (yuv420p). Strides are in elements.
    struct TargetPlanes {
        var y: UnsafeMutablePointer<UInt8>
        var cb: UnsafeMutablePointer<UInt8>
        var cr: UnsafeMutablePointer<UInt8>
        var yStride: Int
        var cbStride: Int
        var crStride: Int
    }
}
