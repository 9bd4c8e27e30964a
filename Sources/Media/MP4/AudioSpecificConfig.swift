/// What an AAC stream is, as its `esds` describes it. ISO/IEC 14496-3, section 1.6.2.1.
struct AudioSpecificConfig: Sendable, Equatable {
    /// 2 is AAC-LC; of an explicitly signalled HE-AAC stream, the layer below the extension.
    var objectType = 0
    /// Hertz; of an HE-AAC stream, the lower layer's.
    var sampleRate = 0
    /// 1 to 7 name a layout, 0 leaves it to a program configuration element.
    var channelConfiguration = 0
    /// Channels; `nil` where they cannot be told.
    var channelCount: Int?
    /// Samples of a packet: 1024, rarely 960.
    var samplesPerPacket = 1024
    /// Spectral band replication is signalled: HE-AAC.
    var hasBandReplication = false
    /// Parametric stereo is signalled: HE-AAC version 2.
    var hasParametricStereo = false

    /// Reads the bytes of the decoder specific information; `nil` where they are cut short or make no sense.
    init?(_ bytes: [UInt8]) {
        var reader = BitReader(bytes)
        guard let type = Self.objectType(&reader), let rate = Self.sampleRate(&reader), let channels = reader.bits(4)
        else { return nil }
        objectType = type
        sampleRate = rate
        channelConfiguration = Int(channels)
        if type == 5 || type == 29 {
            hasBandReplication = true
            hasParametricStereo = type == 29
            guard Self.sampleRate(&reader) != nil, let core = Self.objectType(&reader) else { return nil }
            objectType = core
        }
        guard sampleRate > 0 else { return nil }
        channelCount = Self.channelCounts.indices.contains(Int(channels)) ? Self.channelCounts[Int(channels)] : nil
        guard [1, 2, 3, 4, 6, 7].contains(objectType) else { return }
        guard let isShort = reader.flag(), let dependsOnCore = reader.flag() else { return nil }
        if isShort { samplesPerPacket = 960 }
        if dependsOnCore, !reader.skip(14) { return nil }
        guard reader.flag() != nil else { return nil }
        if channels == 0 { channelCount = Self.programChannels(&reader) }
        if !hasBandReplication, objectType != 6 { readTrailingExtension(&reader) }
    }

    /// Whether any AAC-LC decoder plays it in full.
    var isLowComplexity: Bool { objectType == 2 && !hasBandReplication && !hasParametricStereo }

    /// Table 1.19, by channel configuration.
    private static let channelCounts: [Int?] = [nil, 1, 2, 3, 4, 5, 6, 8, nil, nil, nil, 7, 8, nil, 8]

    /// Table 1.18, by sampling frequency index.
    private static let sampleRates = [
        96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
    ]

    private static func objectType(_ reader: inout BitReader) -> Int? {
        guard let type = reader.bits(5) else { return nil }
        guard type == 31 else { return Int(type) }
        return reader.bits(6).map { 32 + Int($0) }
    }

    private static func sampleRate(_ reader: inout BitReader) -> Int? {
        guard let index = reader.bits(4) else { return nil }
        if index == 15 { return reader.bits(24).map(Int.init) }
        return sampleRates.indices.contains(Int(index)) ? sampleRates[Int(index)] : nil
    }

    /// Counts the channels of a program configuration element. ISO/IEC 14496-3, section 4.5.1.2.
    private static func programChannels(_ reader: inout BitReader) -> Int? {
        guard reader.skip(10), let front = reader.bits(4), let side = reader.bits(4), let back = reader.bits(4),
            let lowFrequency = reader.bits(2), let data = reader.bits(3), let coupling = reader.bits(4)
        else { return nil }
        for width in [4, 4, 3] {
            guard let isPresent = reader.flag() else { return nil }
            if isPresent, !reader.skip(width) { return nil }
        }
        var channels = Int(lowFrequency)
        for _ in 0..<front + side + back {
            guard let isPair = reader.flag(), reader.skip(4) else { return nil }
            channels += isPair ? 2 : 1
        }
        guard reader.skip(Int(lowFrequency + data) * 4 + Int(coupling) * 5) else { return nil }
        reader.alignToByte()
        guard let comment = reader.bits(8), reader.skip(Int(comment) * 8) else { return nil }
        return channels
    }

    /// Reads the extension older decoders do not look for, behind the configuration proper.
    private mutating func readTrailingExtension(_ reader: inout BitReader) {
        guard reader.bits(11) == 0x2B7, let type = Self.objectType(&reader), type == 5, reader.flag() == true else {
            return
        }
        hasBandReplication = true
        guard Self.sampleRate(&reader) != nil, reader.bits(11) == 0x548 else { return }
        hasParametricStereo = reader.flag() == true
    }
}
