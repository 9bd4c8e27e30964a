import Testing

@testable import Media

struct FileLayoutTests {
    private let small: [UInt8] =
        .box("ftyp", Array("isom".utf8) + .word(0)) + .box("moov", [1, 2, 3]) + .box("free")
        + .box("mdat", [UInt8](repeating: 7, count: 100))
    private let movieBehind: [UInt8] =
        .box("ftyp", Array("qt  ".utf8) + .word(0)) + .box("wide") + .box("mdat", [UInt8](repeating: 7, count: 100))
        + .box("moov", [1, 2, 3])

    @Test func `boxes are listed with their places and sizes`() throws {
        let layout = try MovieClips.layout(small)
        #expect(layout.boxes.map(\.type) == ["ftyp", "moov", "free", "mdat"])
        #expect(layout.boxes.map(\.offset) == [0, 16, 27, 35])
        #expect(layout.boxes.map(\.size) == [16, 11, 8, 108])
        #expect(layout.boxes.allSatisfy { $0.headerSize == 8 })
        #expect(layout.moov == [1, 2, 3])
        #expect(layout.majorBrand == "isom")
        #expect(layout.truncatedBox == nil)
        #expect(layout.malformedOffset == nil)
    }

    @Test func `media are jumped over, not read`() throws {
        let source = BytesSource(.box("ftyp", [0]) + .box("mdat", [UInt8](repeating: 0, count: 100_000)) + .box("moov"))
        let layout = try #require(try FileLayout.scan(source, through: .end))
        #expect(layout.moov == [])
        #expect(source.reads.reduce(0) { $0 + $1.count } <= 16 * 3)
    }

    @Test func `a scan for the movie stops behind it`() throws {
        let source = BytesSource(small)
        let layout = try #require(try FileLayout.scan(source, through: .movie))
        #expect(layout.boxes.map(\.type) == ["ftyp", "moov"])
    }

    @Test func `a pipe is read forward and not beyond media that come before the movie`() throws {
        let forward = BytesSource(small, isSeekable: false, knowsLength: false)
        forward.step = 3
        #expect(try FileLayout.scan(forward, through: .end)?.boxes.map(\.size) == [16, 11, 8, 108])
        let backward = BytesSource(movieBehind, isSeekable: false, knowsLength: false)
        let layout = try #require(try FileLayout.scan(backward, through: .end))
        #expect(layout.boxes.map(\.type) == ["ftyp", "wide", "mdat"])
        #expect(layout.moov == nil)
        #expect(backward.position <= 40)
        #expect(try MovieClips.layout(movieBehind).moov == [1, 2, 3])
    }

    @Test func `an empty movie in front of other boxes loses none of them in a pipe`() throws {
        let bytes: [UInt8] = .box("ftyp") + .box("moov") + .box("free") + .box("mdat", [1])
        let layout = try #require(
            try FileLayout.scan(BytesSource(bytes, isSeekable: false, knowsLength: false), through: .end))
        #expect(layout.boxes.map(\.type) == ["ftyp", "moov", "free", "mdat"])
    }

    @Test func `64-bit sizes and sizes to the end are understood`() throws {
        let large: [UInt8] = .word(1) + Array("mdat".utf8) + .word(0) + .word(20) + [1, 2, 3, 4]
        let open: [UInt8] = .word(0) + Array("mdat".utf8) + [1, 2, 3]
        let layout = try MovieClips.layout(.box("ftyp") + large + open)
        #expect(layout.boxes.map(\.size) == [8, 20, 11])
        #expect(layout.boxes.map(\.headerSize) == [8, 16, 8])
        let unknown = BytesSource(.box("ftyp") + open, knowsLength: false)
        #expect(try FileLayout.scan(unknown, through: .end)?.boxes.last?.size == 0)
    }

    @Test func `a box that reaches beyond the end is named`() throws {
        let cut = try MovieClips.layout(Array(small.dropLast(10)))
        #expect(cut.truncatedBox?.type == "mdat")
        #expect(cut.moov == [1, 2, 3])
        let movieCut = try MovieClips.layout(Array(movieBehind.dropLast(1)))
        #expect(movieCut.truncatedBox?.type == "moov")
        #expect(movieCut.moov == nil)
        let source = BytesSource(Array(movieBehind.dropLast(1)), knowsLength: false)
        #expect(try FileLayout.scan(source, through: .end)?.truncatedBox?.type == "moov")
    }

    @Test func `impossible sizes and stray bytes end the walk where they lie`() throws {
        for bad in [[UInt8].word(4) + Array("free".utf8), [1, 2, 3]] {
            #expect(try MovieClips.layout(small + bad).malformedOffset == Int64(small.count))
        }
        let huge: [UInt8] = .word(1) + Array("mdat".utf8) + .word(.max) + .word(.max)
        #expect(try MovieClips.layout(small + huge).malformedOffset == Int64(small.count))
    }

    @Test func `other kinds of file have no layout`() throws {
        for bytes in [[], [0, 0, 0], Array("RIFF....AVI LIST".utf8), [UInt8](repeating: 0, count: 64)] as [[UInt8]] {
            #expect(try FileLayout.scan(BytesSource(bytes), through: .end) == nil)
        }
    }

    @Test func `a movie box larger than any real one is refused before it is read`() throws {
        let bytes: [UInt8] = .box("ftyp") + .word(200 << 20) + Array("moov".utf8)
        let error = #expect(throws: MediaError.self) {
            try FileLayout.scan(BytesSource(bytes, claimedLength: 1 << 40), through: .end)
        }
        #expect(error?.code == .sourceCorrupt)
    }

    @Test func `what the source throws comes out as itself`() throws {
        let source = BytesSource(small)
        source.failure = (20, MediaError(.sourceUnavailable, "the line is dead."))
        let error = #expect(throws: MediaError.self) { try FileLayout.scan(source, through: .end) }
        #expect(error == MediaError(.sourceUnavailable, "the line is dead."))
    }

    @Test func `a file of nothing but tiny boxes is given up`() throws {
        let bytes = (0..<FileLayout.maximumBoxCount + 5).flatMap { _ in [UInt8].box("free") }
        let layout = try MovieClips.layout(bytes)
        #expect(layout.boxes.count == FileLayout.maximumBoxCount)
        #expect(layout.malformedOffset != nil)
    }

    @Test func `nested boxes are walked until one cannot be`() {
        var reader = BoxReader(.box("abcd", [1]) + .box("\u{A9}xyz") + .word(99) + Array("free".utf8))
        #expect(reader.next()?.payload == [1])
        #expect(reader.next()?.type == "©xyz")
        #expect(!reader.isMalformed)
        #expect(reader.next() == nil)
        #expect(reader.isMalformed)
        #expect(BoxReader.first(["aaaa", "bbbb"], in: ([UInt8].box("aaaa", .box("bbbb", [5])))[...]) == [5])
    }
}
