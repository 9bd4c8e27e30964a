/// Moves the chunk offsets of an index when media gets a new place in the file.
enum ChunkOffsets {
    /// The boxes on the way from `moov` down to the chunk offsets (ISO/IEC 14496-12, 8.2 to 8.7).
    private static let containers: Set<String> = ["moov", "trak", "mdia", "minf", "stbl"]

    /// The `moov` box in what the muxer wrote behind the media.
    static func moov(in trailer: [UInt8]) throws -> [UInt8] {
        guard let size = BigEndian.uint32(trailer, at: 0), size >= 8, Int(size) <= trailer.count,
            trailer[4..<8].elementsEqual("moov".utf8)
        else { throw MediaError(.internal, "the muxer wrote no index") }
        return Array(trailer[..<Int(size)])
    }

    /// The same box with `shift` added to every chunk offset. A `stco` whose offsets no longer fit in 32 bits
    /// becomes a `co64`, and the boxes around it grow.
    static func shifted(_ box: [UInt8], by shift: Int64) throws -> [UInt8] {
        guard let size = BigEndian.uint32(box, at: 0), Int(size) == box.count, box.count >= 8 else {
            throw MediaError(.internal, "the muxer's index is damaged")
        }
        let type = String(decoding: box[4..<8], as: UTF8.self)
        if type == "stco" || type == "co64" { return try shiftedTable(box, isLong: type == "co64", by: shift) }
        guard containers.contains(type) else { return box }
        var payload: [UInt8] = []
        payload.reserveCapacity(box.count)
        var position = 8
        while position < box.count {
            guard let size = BigEndian.uint32(box, at: position), size >= 8, Int(size) <= box.count - position else {
                throw MediaError(.internal, "the muxer's index is damaged")
            }
            payload += try shifted(Array(box[position..<(position + Int(size))]), by: shift)
            position += Int(size)
        }
        return BigEndian.bytes(UInt32(payload.count + 8)) + Array(type.utf8) + payload
    }

    private static func shiftedTable(_ box: [UInt8], isLong: Bool, by shift: Int64) throws -> [UInt8] {
        let width = isLong ? 8 : 4
        guard let count = BigEndian.uint32(box, at: 12), box.count == 16 + Int(count) * width else {
            throw MediaError(.internal, "the muxer's chunk offsets are damaged")
        }
        let offsets = (0..<Int(count)).map { index -> Int64 in
            let at = 16 + index * width
            let high = isLong ? BigEndian.uint32(box, at: at) ?? 0 : 0
            let low = BigEndian.uint32(box, at: at + width - 4) ?? 0
            return (Int64(high) << 32 | Int64(low)) &+ shift
        }
        let needsLong = isLong || offsets.contains { $0 > Int64(UInt32.max) }
        var result = BigEndian.bytes(UInt32(16 + offsets.count * (needsLong ? 8 : 4)))
        result += Array((needsLong ? "co64" : "stco").utf8) + box[8..<16]
        result.reserveCapacity(16 + offsets.count * 8)
        for offset in offsets {
            if needsLong {
                result += BigEndian.bytes(UInt64(bitPattern: offset))
            } else {
                result += BigEndian.bytes(UInt32(truncatingIfNeeded: offset))
            }
        }
        return result
    }
}

/// Numbers as MP4 boxes hold them: most significant byte first.
enum BigEndian {
    static func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        stride(from: T.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> T($0)) }
    }

    /// `nil` beyond the end.
    static func uint32(_ bytes: [UInt8], at offset: Int) -> UInt32? {
        guard offset >= 0, offset + 4 <= bytes.count else { return nil }
        return bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
