/// The header in front of each AAC packet of a stream without a container's own description, as MPEG-TS has it.
/// ISO/IEC 14496-3, table 1.A.5 and 1.A.6.
struct ADTSHeader: Sendable, Equatable {
    /// Bytes of the header, its checksum included: 7 or 9.
    let size: Int
    /// Bytes of header and sound.
    let packetSize: Int
    /// The description MP4 keeps in `esds`: AudioSpecificConfig in its two plain bytes.
    let configuration: [UInt8]

    /// `nil` where the bytes don't begin so, or the packet holds more than one block or a channel layout of its own.
    init?(_ bytes: some Collection<UInt8>) {
        var reader = BitReader(Array(bytes.prefix(9)))
        guard reader.bits(12) == 0xFFF, reader.skip(1), reader.bits(2) == 0, let isPlain = reader.flag(),
            let profile = reader.bits(2), let rate = reader.bits(4), rate < 13, reader.skip(1),
            let channels = reader.bits(3), channels > 0, reader.skip(4), let length = reader.bits(13),
            reader.skip(11), reader.bits(2) == 0
        else { return nil }
        size = isPlain ? 7 : 9
        packetSize = Int(length)
        guard packetSize > size else { return nil }
        let bits = (profile + 1) << 11 | rate << 7 | channels << 3
        configuration = [UInt8(truncatingIfNeeded: bits >> 8), UInt8(truncatingIfNeeded: bits)]
    }
}
