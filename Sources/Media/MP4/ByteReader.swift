/// Reads big-endian numbers from the front of a byte string; every read answers `nil` instead of passing the end.
struct ByteReader: Sendable {
    /// What has not been read yet.
    private(set) var rest: ArraySlice<UInt8>

    /// Reads `bytes` from their start.
    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Reads `bytes` from their start.
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// How many bytes are left.
    var remaining: Int { rest.count }

    /// Reads one byte.
    mutating func u8() -> UInt8? { rest.popFirst() }

    /// Reads two bytes.
    mutating func u16() -> UInt16? { number(of: 2).map(UInt16.init(truncatingIfNeeded:)) }

    /// Reads four bytes.
    mutating func u32() -> UInt32? { number(of: 4).map(UInt32.init(truncatingIfNeeded:)) }

    /// Reads eight bytes.
    mutating func u64() -> UInt64? { number(of: 8) }

    /// Reads four bytes in two's complement.
    mutating func i32() -> Int32? { number(of: 4).map(Int32.init(truncatingIfNeeded:)) }

    /// Reads eight bytes in two's complement.
    mutating func i64() -> Int64? { number(of: 8).map(Int64.init(truncatingIfNeeded:)) }

    /// Reads a four-character code. Its bytes are Latin-1, which is how QuickTime's `©xyz` is spelled.
    mutating func fourCC() -> String? {
        guard let code = bytes(4) else { return nil }
        // Most are ASCII, and then no part of it goes to the heap.
        if code.allSatisfy({ $0 < 0x80 }) { return String(decoding: code, as: UTF8.self) }
        return String(String.UnicodeScalarView(code.map { Unicode.Scalar($0) }))
    }

    /// Reads the next `count` bytes as they are.
    mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= rest.count else { return nil }
        let taken = rest.prefix(count)
        rest = rest.dropFirst(count)
        return taken
    }

    /// Passes over `count` bytes; `false` where there are fewer, and then nothing moves.
    mutating func skip(_ count: Int) -> Bool { bytes(count) != nil }

    private mutating func number(of width: Int) -> UInt64? {
        guard rest.count >= width else { return nil }
        let start = rest.startIndex
        var value: UInt64 = 0
        for index in start..<start + width { value = value << 8 | UInt64(rest[index]) }
        rest = rest.dropFirst(width)
        return value
    }
}
