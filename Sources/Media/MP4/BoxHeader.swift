/// The size and the type in front of each box. ISO/IEC 14496-12, section 4.2.
struct BoxHeader: Sendable {
    /// The four-character code, in Latin-1.
    let type: String
    /// Bytes of size, type and 64-bit size: 8 or 16.
    let headerSize: Int
    /// The whole box, header included; 0: to the end of the file. Negative where that can't be.
    let size: Int64

    /// The most bytes a header has.
    static let longest = 16

    /// Reads a header; `nil` where there are too few bytes for one.
    init?(_ bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        guard let size32 = reader.u32(), let type = reader.fourCC() else { return nil }
        self.type = type
        if size32 == 1 {
            guard let size64 = reader.u64() else { return nil }
            headerSize = 16
            size = size64 < 16 ? -1 : Int64(exactly: size64) ?? -1
        } else {
            headerSize = 8
            size = (1..<8).contains(size32) ? -1 : Int64(size32)
        }
    }
}
