import Testing

@testable import Media

struct ContainerLengthTests {
    private static let fileProperties: [UInt8] = [
        0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65,
    ]

    private static func littleEndian(_ number: Int, _ width: Int) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    /// An ASF's header alone: other objects of 24 bytes, then the one that tells the size.
    private static func asf(size: Int, flags: UInt8, others: Int, claimed: Int? = nil) -> [UInt8] {
        let header: [UInt8] = [
            0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c,
        ]
        let other = [UInt8](repeating: 7, count: 16) + littleEndian(24, 8)
        var bytes = header + littleEndian(claimed ?? 30 + others * 24 + 104, 8) + littleEndian(others + 1, 4) + [1, 2]
        for _ in 0..<others { bytes += other }
        bytes += fileProperties + littleEndian(104, 8) + [UInt8](repeating: 0, count: 16) + littleEndian(size, 8)
        return bytes + [UInt8](repeating: 0, count: 40) + [flags, 0, 0, 0] + [UInt8](repeating: 0, count: 12)
    }

    @Test(arguments: [0, 1, 7, 100])
    func `an ASF says its size anywhere in its header`(others: Int) throws {
        let length = 30 + others * 24 + 104
        #expect(try ContainerLength.check(BytesSource(Self.asf(size: length, flags: 2, others: others))))
        for size in [length + 1, .max, -1] {
            let error = #expect(throws: MediaError.self) {
                try ContainerLength.check(BytesSource(Self.asf(size: size, flags: 2, others: others)))
            }
            #expect(error?.code == .sourceTruncated)
        }
    }

    @Test func `an ASF written live, or without a size, may end anywhere`() throws {
        #expect(try !ContainerLength.check(BytesSource(Self.asf(size: 1 << 20, flags: 3, others: 2))))
        #expect(try !ContainerLength.check(BytesSource(Self.asf(size: 0, flags: 2, others: 2))))
    }

    @Test func `an ASF whose header is no such thing tells nothing`() throws {
        // It ends before the object that tells; its size is beyond any file's; there is nothing but other objects.
        for claimed in [0, 30, 29, 60, 133] {
            #expect(try !ContainerLength.check(BytesSource(Self.asf(size: 999, flags: 2, others: 0, claimed: claimed))))
        }
        let endless = BytesSource(Self.asf(size: 999, flags: 2, others: 20_000, claimed: .max))
        #expect(try !ContainerLength.check(endless))
        #expect(endless.reads.count < 5000)
    }

    @Test func `an AVI made of nothing but empty chunks isn't followed to its end`() throws {
        let chunk = Array("RIFF".utf8) + Self.littleEndian(8, 4) + Array("AVI LIST".utf8)
        let source = BytesSource(Array(repeatElement(chunk, count: 20_000).joined()))
        #expect(try !ContainerLength.check(source))
        #expect(source.reads.count < 5000)
    }

    @Test func `an Ogg cut inside of a page is truncated, and one that ends behind a page may be whole`() throws {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc=s=160x120:r=30:d=4", "-f", "lavfi", "-i", "sine=d=4"]
                + ["-c:v", "libtheora", "-c:a", "libvorbis"], as: "ogv")
        #expect(try !ContainerLength.check(BytesSource(bytes)))
        let pages = bytes.indices.filter { bytes[$0...].starts(with: "OggS".utf8) }
        #expect(pages.count > 5)
        for page in pages.dropFirst(3) {
            #expect(try !ContainerLength.check(BytesSource(Array(bytes[..<page]))))
            for cut in [page - 1, page + 4, page + 26, page + 27, page + 40] where cut < bytes.count {
                let error = #expect(throws: MediaError.self) {
                    try ContainerLength.check(BytesSource(Array(bytes[..<cut])))
                }
                #expect(error?.code == .sourceTruncated)
            }
        }
    }
}
