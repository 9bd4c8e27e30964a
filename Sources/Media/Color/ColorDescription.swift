/// How a picture's code values stand for light.
///
/// The numbers are code points of ITU-T H.273, which libav's `AVCOL_*` values equal. Values nobody knows are
/// kept as they came: a file may hold anything.
struct ColorDescription: Sendable, Hashable {
    /// Chromaticities of the primaries (H.273, table 2).
    var primaries: Int
    /// Transfer characteristics (H.273, table 3).
    var transfer: Int
    /// Matrix coefficients (H.273, table 4).
    var matrix: Int
    /// Whether codes span all of 0…1023 rather than 64…940.
    var fullRange: Bool
    /// The brightest light in the source, in cd/m²: MaxCLL or the mastering display's peak, if the source says so.
    var peakNits: Double?

    /// What every output is.
    static let bt709 = ColorDescription(primaries: 1, transfer: 1, matrix: 1, fullRange: false, peakNits: nil)

    /// Whether the picture is graded for an HDR display: PQ or HLG.
    var isHDR: Bool { transfer == 16 || transfer == 18 }

    /// Whether the signal can stay in its gamma: transfer and primaries are BT.709's, or so close that browsers,
    /// players and swscale make no difference.
    ///
    /// Taking the primaries of SMPTE 170M (NTSC) or BT.470BG (PAL) for BT.709's costs at worst CIEDE2000 2.9
    /// and 1.4, on average over all colours 1.2 and 0.5 (`ColorConverterTests`). Nearly all sources tagged so are
    /// phones' and webcams', whose sensors know neither set of primaries.
    var keepsLight: Bool {
        let ownPrimaries = [4, 9, 11, 12].contains(primaries)
        let ownTransfer = [4, 5, 8, 13, 16, 18].contains(transfer)
        return !ownPrimaries && !ownTransfer
    }

    /// Whether the codes are sums of R'G'B' as `ColorScience.decode` takes them to be. YCgCo, SMPTE ST 2085 and ICtCp
    /// aren't, nor is constant luminance, of which BT.2020's (10) is let pass: libswscale and players take it for the
    /// plain one too.
    var isPlainlyCoded: Bool { ![8, 11, 13, 14].contains(matrix) }

    /// The primaries as ffprobe names them.
    var primariesName: String { Self.name(primaries, Self.primariesNames) }
    /// The transfer as ffprobe names it.
    var transferName: String { Self.name(transfer, Self.transferNames) }
    /// The matrix as ffprobe names it.
    var matrixName: String { Self.name(matrix, Self.matrixNames) }
    /// The range as ffprobe names it.
    var rangeName: String { fullRange ? "pc" : "tv" }

    private static func name(_ code: Int, _ names: [Int: String]) -> String { names[code] ?? String(code) }

    private static let primariesNames: [Int: String] = [
        0: "reserved", 1: "bt709", 2: "unknown", 3: "reserved", 4: "bt470m", 5: "bt470bg", 6: "smpte170m",
        7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
    ]

    private static let transferNames: [Int: String] = [
        0: "reserved", 1: "bt709", 2: "unknown", 3: "reserved", 4: "bt470m", 5: "bt470bg", 6: "smpte170m",
        7: "smpte240m", 8: "linear", 9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e",
        13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428",
        18: "arib-std-b67",
    ]

    private static let matrixNames: [Int: String] = [
        0: "gbr", 1: "bt709", 2: "unknown", 3: "reserved", 4: "fcc", 5: "bt470bg", 6: "smpte170m",
        7: "smpte240m", 8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc",
        13: "chroma-derived-c", 14: "ictcp",
    ]
}
