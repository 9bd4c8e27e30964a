internal import FoundationEssentials

/// OneDrive's QuickXorHash, fed in any order.
///
/// Byte `b` at offset `i` is rotated by `11 i mod 160` bits into a ring of 160 and XORed, so all bytes whose offsets
/// agree modulo 160 can be XORed first, and rotated once at the end. Each byte must be fed exactly once: twice cancels
/// out. Source: learn.microsoft.com/onedrive/developer/code-snippets/quickxorhash.
struct QuickXorHash {
    private static let ring = 160
    /// The XOR of all bytes at each offset modulo 160, 8 of them in a word.
    private var columns = [UInt64](repeating: 0, count: QuickXorHash.ring / 8)

    init() {}

    /// Takes the bytes that begin at `offset`.
    mutating func update(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        let phase = Int(offset % Int64(QuickXorHash.ring))
        columns.withUnsafeMutableBytes { columns in
            let count = bytes.count
            var index = 0
            let single = { (index: Int) in columns[(phase + index) % QuickXorHash.ring] ^= bytes[index] }
            let word = { (index: Int) in
                let column = (phase + index) % QuickXorHash.ring
                let sum =
                    columns.loadUnaligned(fromByteOffset: column, as: UInt64.self)
                    ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                columns.storeBytes(of: sum, toByteOffset: column, as: UInt64.self)
            }
            // To a word's boundary, then to the ring's.
            while index < count, (phase + index) % 8 != 0 {
                single(index)
                index += 1
            }
            while index + 8 <= count, (phase + index) % QuickXorHash.ring != 0 {
                word(index)
                index += 8
            }
            if index + QuickXorHash.ring <= count {
                typealias Lane = SIMD4<UInt64>
                let load = { (buffer: UnsafeRawBufferPointer, offset: Int) in
                    buffer.loadUnaligned(fromByteOffset: offset, as: Lane.self)
                }
                var lanes = (Lane(), Lane(), Lane(), Lane(), Lane())
                while index + QuickXorHash.ring <= count {
                    lanes.0 ^= load(bytes, index)
                    lanes.1 ^= load(bytes, index + 32)
                    lanes.2 ^= load(bytes, index + 64)
                    lanes.3 ^= load(bytes, index + 96)
                    lanes.4 ^= load(bytes, index + 128)
                    index += QuickXorHash.ring
                }
                for (number, lane) in [lanes.0, lanes.1, lanes.2, lanes.3, lanes.4].enumerated() {
                    let sum = load(UnsafeRawBufferPointer(columns), number * 32) ^ lane
                    columns.storeBytes(of: sum, toByteOffset: number * 32, as: Lane.self)
                }
            }
            while index + 8 <= count {
                word(index)
                index += 8
            }
            while index < count {
                single(index)
                index += 1
            }
        }
    }

    /// The hash of a file of that length, in base64 as Graph gives it.
    func digest(length: Int64) -> String {
        var digest = [UInt8](repeating: 0, count: QuickXorHash.ring / 8)
        columns.withUnsafeBytes { columns in
            for (offset, byte) in columns.enumerated() {
                for bit in 0..<8 where byte & 1 << bit != 0 {
                    let place = (offset * 11 + bit) % QuickXorHash.ring
                    digest[place / 8] ^= 1 << (place % 8)
                }
            }
        }
        for index in 0..<8 { digest[12 + index] ^= UInt8(truncatingIfNeeded: length >> (8 * index)) }
        return Data(digest).base64EncodedString()
    }
}
