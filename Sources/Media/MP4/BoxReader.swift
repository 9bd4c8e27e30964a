/// Walks the boxes (QuickTime: atoms) that lie side by side in a byte string. ISO/IEC 14496-12, section 4.2.
///
/// A box that claims to reach beyond the string ends the walk: what a damaged size points at is not a box.
struct BoxReader: Sequence, IteratorProtocol, Sendable {
    /// One box, header taken off.
    struct Box: Sendable {
        /// The four-character code, in Latin-1.
        let type: String
        /// What follows the size, the type and, for large boxes, the 64-bit size.
        let payload: ArraySlice<UInt8>
    }

    private var rest: ArraySlice<UInt8>
    /// Whether the walk ended at a box whose size cannot be true.
    private(set) var isMalformed = false

    /// Walks the boxes in `bytes`.
    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// Walks the boxes in `bytes`.
    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// The next box, or `nil` at the end and at the first malformed one.
    ///
    /// Up to seven bytes after the last box are passed over in silence; QuickTime closes `udta` with a zero word.
    mutating func next() -> Box? {
        var reader = ByteReader(rest)
        guard let size32 = reader.u32(), let type = reader.fourCC() else { return nil }
        let payloadSize: UInt64
        switch size32 {
        case 0:
            payloadSize = UInt64(reader.remaining)
        case 1:
            guard let size64 = reader.u64(), size64 >= 16 else { return malformed() }
            payloadSize = size64 - 16
        case 2..<8:
            return malformed()
        default:
            payloadSize = UInt64(size32) - 8
        }
        guard let count = Int(exactly: payloadSize), let payload = reader.bytes(count) else { return malformed() }
        rest = reader.rest
        return Box(type: type, payload: payload)
    }

    /// The payload of the first box of this type.
    static func first(_ type: String, in bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        for box in BoxReader(bytes) where box.type == type { return box.payload }
        return nil
    }

    /// The payload of the first box reached by these types, outermost first.
    static func first(_ path: [String], in bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var payload: ArraySlice<UInt8>? = bytes
        for type in path {
            guard let outer = payload else { return nil }
            payload = first(type, in: outer)
        }
        return payload
    }

    private mutating func malformed() -> Box? {
        rest = []
        isMalformed = true
        return nil
    }
}
