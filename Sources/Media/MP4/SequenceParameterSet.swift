/// What an H.264 sequence parameter set says of every picture. ITU-T H.264, sections 7.3.2.1.1 and E.1.
struct SequenceParameterSet: Sendable, Equatable {
    /// `profile_idc`: 66 Baseline, 77 Main, 100 High, …
    var profile: UInt8 = 0
    /// The byte of `constraint_set` flags, set 0 in its highest bit.
    var constraints: UInt8 = 0
    /// `level_idc`: ten times the level.
    var level: UInt8 = 0
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    var chromaFormat = 1
    var lumaBitDepth = 8
    var chromaBitDepth = 8
    /// `max_num_ref_frames`.
    var maximumReferenceFrames = 0
    /// `frame_mbs_only_flag`: no picture is a field or holds fields.
    var isFrameOnly = true
    /// Coded size in pixels, whole macroblocks.
    var codedWidth = 0
    var codedHeight = 0
    /// Size in pixels after cropping.
    var width = 0
    var height = 0
    /// `nil` where there are no usability parameters.
    var usability: VideoUsability?

    /// Reads a NAL unit that begins with its header byte; `nil` where it is no SPS or does not make sense.
    init?(_ nal: [UInt8]) {
        guard let header = nal.first, header & 0x9F == 7 else { return nil }
        var reader = BitReader(unescaping: nal.dropFirst())
        guard let profile = reader.bits(8), let constraints = reader.bits(8), let level = reader.bits(8),
            let identifier = reader.exponentialGolomb(), identifier <= 31
        else { return nil }
        self.profile = UInt8(truncatingIfNeeded: profile)
        self.constraints = UInt8(truncatingIfNeeded: constraints)
        self.level = UInt8(truncatingIfNeeded: level)
        var cropsByPlane = false
        if Self.profilesWithChromaFormat.contains(self.profile) {
            guard let separatePlanes = readChromaFormat(&reader) else { return nil }
            cropsByPlane = separatePlanes
        }
        guard Self.skipOrder(&reader), let references = reader.exponentialGolomb(), references <= 16,
            reader.flag() != nil, readSize(&reader, cropsByPlane: cropsByPlane), let hasUsability = reader.flag()
        else { return nil }
        maximumReferenceFrames = Int(references)
        if hasUsability {
            guard let usability = VideoUsability(&reader) else { return nil }
            self.usability = usability
        }
    }

    /// Whether pictures are progressive 8-bit 4:2:0.
    var is8Bit420: Bool { chromaFormat == 1 && lumaBitDepth == 8 && chromaBitDepth == 8 }

    private static let profilesWithChromaFormat: Set<UInt8> = [
        100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
    ]

    /// Reads chroma format, depths and scaling lists; answers whether the planes are coded apart.
    private mutating func readChromaFormat(_ reader: inout BitReader) -> Bool? {
        guard let chroma = reader.exponentialGolomb(), chroma <= 3 else { return nil }
        chromaFormat = Int(chroma)
        var separatePlanes = false
        if chroma == 3 {
            guard let flag = reader.flag() else { return nil }
            separatePlanes = flag
        }
        guard let lumaExtra = reader.exponentialGolomb(), lumaExtra <= 6,
            let chromaExtra = reader.exponentialGolomb(), chromaExtra <= 6,
            reader.flag() != nil, let hasScalingLists = reader.flag()
        else { return nil }
        lumaBitDepth = 8 + Int(lumaExtra)
        chromaBitDepth = 8 + Int(chromaExtra)
        if hasScalingLists {
            for list in 0..<(chroma == 3 ? 12 : 8) {
                guard let isPresent = reader.flag() else { return nil }
                if isPresent, !Self.skipScalingList(&reader, count: list < 6 ? 16 : 64) { return nil }
            }
        }
        return separatePlanes
    }

    private static func skipScalingList(_ reader: inout BitReader, count: Int) -> Bool {
        var last: Int32 = 8
        var next: Int32 = 8
        for _ in 0..<count {
            if next != 0 {
                guard let delta = reader.signedExponentialGolomb(), delta >= -128, delta <= 127 else { return false }
                next = (last + delta + 256) % 256
            }
            if next != 0 { last = next }
        }
        return true
    }

    /// Passes over `log2_max_frame_num_minus4` and the picture order count.
    private static func skipOrder(_ reader: inout BitReader) -> Bool {
        guard let frameNumber = reader.exponentialGolomb(), frameNumber <= 12,
            let type = reader.exponentialGolomb()
        else { return false }
        switch type {
        case 0:
            guard let bits = reader.exponentialGolomb() else { return false }
            return bits <= 12
        case 1:
            guard reader.flag() != nil, reader.signedExponentialGolomb() != nil,
                reader.signedExponentialGolomb() != nil, let cycle = reader.exponentialGolomb(), cycle <= 255
            else { return false }
            for _ in 0..<cycle where reader.signedExponentialGolomb() == nil { return false }
            return true
        default:
            return type == 2
        }
    }

    /// Reads macroblock counts, field coding and cropping.
    private mutating func readSize(_ reader: inout BitReader, cropsByPlane: Bool) -> Bool {
        guard let columns = reader.exponentialGolomb(), columns < 4096,
            let rows = reader.exponentialGolomb(), rows < 4096, let frameOnly = reader.flag()
        else { return false }
        isFrameOnly = frameOnly
        if !frameOnly, reader.flag() == nil { return false }
        guard reader.flag() != nil, let hasCropping = reader.flag() else { return false }
        codedWidth = (Int(columns) + 1) * 16
        codedHeight = (Int(rows) + 1) * 16 * (frameOnly ? 1 : 2)
        width = codedWidth
        height = codedHeight
        guard hasCropping else { return true }
        guard let left = reader.exponentialGolomb(), let right = reader.exponentialGolomb(),
            let top = reader.exponentialGolomb(), let bottom = reader.exponentialGolomb()
        else { return false }
        let hasSubsampledColumns = !cropsByPlane && (chromaFormat == 1 || chromaFormat == 2)
        let hasSubsampledRows = !cropsByPlane && chromaFormat == 1
        width -= (Int(left) + Int(right)) * (hasSubsampledColumns ? 2 : 1)
        height -= (Int(top) + Int(bottom)) * (hasSubsampledRows ? 2 : 1) * (frameOnly ? 1 : 2)
        return width > 0 && height > 0
    }
}
