/// Reads bits, most significant first, and the Exp-Golomb codes of H.264; every read answers `nil` past the end.
struct BitReader: Sendable {
    private let bytes: [UInt8]
    private var position = 0

    /// Reads `bytes` from their start.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Reads a NAL unit's payload: without the zero-zero-three that keeps start codes out of it. ITU-T H.264, 7.4.1.
    init(unescaping nal: ArraySlice<UInt8>) { bytes = Self.unescaped(nal) }

    /// A NAL unit's payload without what only keeps start codes out of it.
    static func unescaped(_ nal: some Collection<UInt8>) -> [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(nal.count)
        var zeros = 0
        for byte in nal {
            if zeros >= 2, byte == 3 {
                zeros = 0
                continue
            }
            zeros = byte == 0 ? zeros + 1 : 0
            plain.append(byte)
        }
        return plain
    }

    /// How many bits are left.
    var remaining: Int { bytes.count * 8 - position }

    /// Reads up to 32 bits as an unsigned number.
    mutating func bits(_ count: Int) -> UInt32? {
        guard count >= 0, count <= 32, count <= remaining else { return nil }
        var value: UInt32 = 0
        for _ in 0..<count {
            value = value << 1 | UInt32(bytes[position >> 3] >> UInt8(7 - position & 7) & 1)
            position += 1
        }
        return value
    }

    /// Reads one bit.
    mutating func flag() -> Bool? { bits(1).map { $0 == 1 } }

    /// Passes over bits; `false` where there are fewer.
    mutating func skip(_ count: Int) -> Bool {
        guard count >= 0, count <= remaining else { return false }
        position += count
        return true
    }

    /// Passes over bits up to the next byte's start.
    mutating func alignToByte() { position = min((position + 7) & ~7, bytes.count * 8) }

    /// Reads `ue(v)`, ITU-T H.264, section 9.1.
    mutating func exponentialGolomb() -> UInt32? {
        var zeros = 0
        while true {
            guard let bit = flag() else { return nil }
            if bit { break }
            zeros += 1
            guard zeros <= 31 else { return nil }
        }
        guard let suffix = bits(zeros) else { return nil }
        return (UInt32(1) << UInt32(zeros) &- 1) &+ suffix
    }

    /// Reads `se(v)`, ITU-T H.264, section 9.1.1.
    mutating func signedExponentialGolomb() -> Int32? {
        guard let code = exponentialGolomb() else { return nil }
        let magnitude = Int32(truncatingIfNeeded: code / 2 &+ code % 2)
        return code % 2 == 1 ? magnitude : 0 &- magnitude
    }
}
