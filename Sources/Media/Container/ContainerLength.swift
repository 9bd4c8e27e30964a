/// Whether a source is as long as its own container says, for containers that tell it in front.
///
/// libavformat takes a file that ends early for a shorter one. MP4 has its index to be held against the length; AVI and
/// Matroska have the sizes of their outermost chunks; FLV and ASF have their own size among their first words, if their
/// writer could go back to put it there. Ogg tells nothing, but each of its pages has a size, and a cut goes through one.
enum ContainerLength {
    /// Chunks of an AVI or objects in front of an ASF that are looked at: each costs a read, and a file could be made of
    /// nothing else. As many of OpenDML's are 4 TiB.
    private static let mostParts = 4096

    /// Whether the container tells its length, and so is whole. Throws `source_truncated` where bytes are missing. Reads
    /// a few headers at most.
    static func check(_ source: any ByteSource) throws -> Bool {
        guard source.isSeekable, let length = source.length else { return false }
        let front = try source.read(64, at: 0)
        let own = try riffEnd(front, source, length) ?? matroskaEnd(front) ?? flvEnd(front, source)
        let told = try own ?? asfEnd(front, source)
        if let end = try told ?? oggEnd(front, source, length), end > length {
            throw MediaError(
                .sourceTruncated,
                "\(source.name) has \(length) bytes but says it has \(end); fetch or export it again")
        }
        return told != nil
    }

    /// Where the RIFF chunks of an AVI end. OpenDML puts one behind the other, each up to 1 GiB.
    private static func riffEnd(_ front: [UInt8], _ source: any ByteSource, _ length: Int64) throws -> Int64? {
        guard front.starts(with: "RIFF".utf8), front.count >= 12, front[8..<12].elementsEqual("AVI ".utf8) else {
            return nil
        }
        var start: Int64 = 0
        var end: Int64 = 0
        var header = front
        var chunks = 0
        while header.count >= 8, header.starts(with: "RIFF".utf8) {
            chunks += 1
            guard chunks <= mostParts else { return nil }
            let size = littleEndian(header[4..<8])
            // A recorder that was stopped short left 0 or all ones.
            guard size > 0, size < Int64(UInt32.max) else { return nil }
            end = start + 8 + size
            guard end < length else { break }
            // Chunks begin at even places; the last one needs no filling.
            start = end + size % 2
            header = try source.read(8, at: start)
        }
        return end
    }

    /// Where the segment of a Matroska or WebM file ends; `nil`: written live, without a size.
    private static func matroskaEnd(_ front: [UInt8]) -> Int64? {
        guard front.starts(with: [0x1a, 0x45, 0xdf, 0xa3]), let header = vint(front, at: 4) else { return nil }
        let segment = 4 + header.width + Int(clamping: header.value)
        guard segment + 4 <= front.count, front[segment..<(segment + 4)].elementsEqual([0x18, 0x53, 0x80, 0x67]),
            let size = vint(front, at: segment + 4), size.value != size.unknown
        else { return nil }
        return Int64(segment + 4 + size.width) &+ size.value
    }

    /// The `filesize` of an FLV's `onMetaData`, which comes first: a name behind its length, then the marker of a number
    /// and eight bytes of it (Adobe's FLV specification 10.1, annex E.4.4 and E.5).
    private static func flvEnd(_ front: [UInt8], _ source: any ByteSource) throws -> Int64? {
        guard front.starts(with: "FLV".utf8) else { return nil }
        let words = try source.read(4096, at: 0)
        let name = [0, 8] + Array("filesize".utf8) + [0]
        let last = words.count - name.count - 8
        guard last >= 0,
            let start = (0...last).first(where: { words[$0..<($0 + name.count)].elementsEqual(name) })
        else { return nil }
        let bits = words[(start + name.count)..<(start + name.count + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let size = Double(bitPattern: bits)
        // A writer that couldn't go back left 0.
        return size >= 1 && size < 1e15 ? Int64(size) : nil
    }

    /// The size in the File Properties Object of an ASF or WMV, which lies somewhere in the header (Microsoft's ASF
    /// specification 01.20.03, sections 3.1 and 3.2).
    private static func asfEnd(_ front: [UInt8], _ source: any ByteSource) throws -> Int64? {
        guard front.starts(with: asfHeader), front.count >= 24 else { return nil }
        let end = littleEndian(front[16..<24])
        var start: Int64 = 30
        for _ in 0..<mostParts {
            guard start <= end - 104 else { break }
            let object = try source.read(92, at: start)
            guard object.count == 92 else { return nil }
            if object.starts(with: asfFileProperties) {
                let (size, isBroadcast) = (littleEndian(object[40..<48]), object[88] & 1 == 1)
                // Of a broadcast nobody knew the size.
                return size > 0 && !isBroadcast ? size : nil
            }
            let size = littleEndian(object[16..<24])
            guard size >= 24, size <= end - start else { return nil }
            start += size
        }
        return nil
    }

    private static let asfHeader: [UInt8] = [
        0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c,
    ]
    private static let asfFileProperties: [UInt8] = [
        0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65,
    ]

    /// Where the last page of an Ogg ends (RFC 3533, section 6).
    private static func oggEnd(_ front: [UInt8], _ source: any ByteSource, _ length: Int64) throws -> Int64? {
        guard front.starts(with: "OggS".utf8) else { return nil }
        let start = max(0, length - longestPage)
        let tail = try source.read(Int(length - start), at: start)
        let last = stride(from: tail.count - 4, through: 0, by: -1).first { tail[$0...].starts(with: "OggS".utf8) }
        guard let last else { return nil }
        let header = last + 27
        guard header <= tail.count else { return start + Int64(header) }
        let count = Int(tail[header - 1])
        let sizes = tail[header...].prefix(count).reduce(0) { $0 + Int($1) }
        return start + Int64(header + count + sizes)
    }

    /// A header, 255 sizes and as much as they can tell.
    private static let longestPage: Int64 = 27 + 255 + 255 * 255

    /// At most eight bytes; what is beyond any file's size is as large as can be.
    private static func littleEndian(_ bytes: ArraySlice<UInt8>) -> Int64 {
        Int64(clamping: bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// An EBML number: its width is in the leading zeros of its first byte (RFC 8794, section 4).
    private static func vint(_ bytes: [UInt8], at offset: Int) -> (value: Int64, width: Int, unknown: Int64)? {
        guard offset < bytes.count, bytes[offset] != 0 else { return nil }
        let width = bytes[offset].leadingZeroBitCount + 1
        guard offset + width <= bytes.count else { return nil }
        let value = bytes[offset..<(offset + width)].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let unknown = Int64(1) << Int64(7 * width) - 1
        return (value & unknown, width, unknown)
    }
}
