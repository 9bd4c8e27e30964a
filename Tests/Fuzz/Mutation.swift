/// Ways to damage a file that parsers trip over.
enum Mutation {
    /// Numbers at the borders of what fields can hold.
    private static let edges: [UInt32] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]

    /// One to six kinds of damage; more in the index of an MP4 than in its media.
    static func apply(to original: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        var bytes = original
        for _ in 0...Int(random.next() % 6) where bytes.count > 16 {
            let at = place(in: bytes, &random)
            switch random.next() % 8 {
            case 0, 1: bytes[at] ^= 1 << UInt8(random.next() % 8)
            case 2: bytes[at] = UInt8(truncatingIfNeeded: random.next())
            case 3, 4:
                let value = edges[Int(random.next() % UInt64(edges.count))]
                for index in 0..<4 where at + index < bytes.count {
                    bytes[at + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - index * 8))
                }
            case 5: bytes.removeSubrange(at..<min(bytes.count, at + Int(random.next() % 64)))
            case 6: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + Int(random.next() % 64))], at: at)
            default: if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
            }
        }
        return bytes
    }

    private static func place(in bytes: [UInt8], _ random: inout SplitMix) -> Int {
        let anywhere = Int(random.next() % UInt64(bytes.count))
        guard random.next() % 4 != 0 else { return anywhere }
        let marks = ["moov", "stbl", "trak", "moof"].compactMap { first(Array($0.utf8), in: bytes) }
        guard !marks.isEmpty else { return Int(random.next() % UInt64(min(bytes.count, 4096))) }
        let mark = marks[Int(random.next() % UInt64(marks.count))]
        return min(bytes.count - 1, mark + Int(random.next() % 1500))
    }

    private static func first(_ mark: [UInt8], in bytes: [UInt8]) -> Int? {
        bytes.indices.dropLast(3).first { bytes[$0] == mark[0] && bytes[$0..<($0 + 4)].elementsEqual(mark) }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and the same everywhere.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
