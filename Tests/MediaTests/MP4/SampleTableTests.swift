import Testing

@testable import Media

struct SampleTableTests {
    private func full(_ type: String, _ words: UInt32...) -> [UInt8] {
        .box(type, .word(0) + words.flatMap { [UInt8].word($0) })
    }

    private func table(_ boxes: [UInt8]...) -> SampleTable { SampleTable(boxes.flatMap { $0 }[...]) }

    @Test func `times, sizes and places are expanded from their runs`() {
        let table = table(
            full("stts", 2, 3, 10, 2, 20), full("ctts", 2, 1, 20, 4, UInt32(bitPattern: -5)),
            full("stsz", 0, 5, 1, 2, 3, 4, 5), full("stsc", 2, 1, 2, 1, 3, 1, 1), full("stco", 3, 100, 200, 300),
            full("stss", 2, 1, 4))
        #expect(table.isPlausible)
        #expect(table.count == 5)
        #expect(Array(table.decodeTimes) == [0, 10, 20, 30, 50])
        #expect(Array(table.presentationTimes) == [20, 5, 15, 25, 45])
        #expect(table.duration == 70)
        #expect((0..<5).map { table.size(of: $0) } == [1, 2, 3, 4, 5])
        #expect(table.size(of: -1) == 0 && table.size(of: 5) == 0)
        #expect(table.offsets == [100, 101, 200, 203, 300])
        #expect(table.chunks.map(\.byteCount) == [3, 7, 5])
        #expect(table.syncSamples == [0, 3])
        #expect(table.totalBytes == 15)
        #expect(table.maximumEnd == 305)
    }

    @Test func `compact and uniform sizes, and 64-bit places, are read`() {
        let four = table(
            .box("stz2", .word(0) + .word(4) + .word(3) + [0x12, 0x30]), full("stts", 1, 3, 1),
            full("stsc", 1, 1, 3, 1), full("co64", 1, 1, 0))
        #expect(four.isPlausible)
        #expect((0..<3).map { four.size(of: $0) } == [1, 2, 3])
        #expect(four.maximumEnd == 4_294_967_302)
        #expect(four.syncSamples == nil)
        let sixteen = table(.box("stz2", .word(0) + .word(16) + .word(2) + [1, 0, 0, 5]))
        #expect((0..<2).map { sixteen.size(of: $0) } == [256, 5])
        let uniform = table(full("stsz", 7, 3), full("stts", 1, 3, 1), full("stsc", 1, 1, 3, 1), full("stco", 1, 10))
        #expect(uniform.isPlausible && uniform.totalBytes == 21 && uniform.maximumEnd == 31)
    }

    @Test func `four billion claimed samples cost nothing and are not believed`() {
        let clock = ContinuousClock()
        let elapsed = clock.measure {
            let uniform = table(
                full("stsz", .max, .max), full("stts", 1, .max, .max), full("ctts", 1, .max, .max),
                full("stsc", 1, 1, .max, 1), full("stco", 1, .max), full("stss", .max, 1))
            #expect(!uniform.isPlausible)
            #expect(uniform.count == SampleTable.maximumCount)
            #expect(uniform.duration > 0)
            #expect(uniform.maximumEnd != nil)
            #expect(uniform.totalBytes > 0)
            let listed = table(
                full("stsz", 0, .max, 1), full("stts", .max, 1, 1), full("stsc", .max, 1, 1, 1), full("co64", .max, 0))
            #expect(!listed.isPlausible)
            #expect(listed.count == 1)
        }
        #expect(elapsed < .seconds(1))
    }

    @Test func `tables that contradict one another are not plausible, and still walk`() {
        let sizes = full("stsz", 5, 4)
        let places = full("stsc", 1, 1, 4, 1) + full("stco", 1, 0)
        #expect(table(sizes, places, full("stts", 1, 4, 1)).isPlausible)
        let short = table(sizes, places, full("stts", 1, 3, 1))
        #expect(!short.isPlausible)
        #expect(Array(short.decodeTimes) == [0, 1, 2, 3])
        let unplaced = table(sizes, full("stsc", 1, 1, 3, 1), full("stco", 1, 0), full("stts", 1, 4, 1))
        #expect(!unplaced.isPlausible)
        #expect(unplaced.offsets == [0, 5, 10])
        #expect(!table(sizes, places, full("stts", 1, 4, 1), full("stss", 2, 3, 2)).isPlausible)
        let beyond = table(sizes, places, full("stts", 1, 4, 1), full("stss", 2, 1, 9))
        #expect(!beyond.isPlausible && beyond.syncSamples == [0])
        #expect(!table(sizes, full("stsc", 1, 0, 4, 1), full("stco", 1, 0), full("stts", 1, 4, 1)).isPlausible)
        let far = table(sizes, full("stsc", 1, 1, 4, 1), full("co64", 1, .max, .max), full("stts", 1, 4, 1))
        #expect(far.maximumEnd == .max)
    }

    @Test func `a fragmented file's empty tables are empty and plausible`() {
        let empty = table(full("stts", 0), full("stsz", 0, 0), full("stsc", 0), full("stco", 0))
        #expect(empty.isPlausible && empty.count == 0 && empty.maximumEnd == nil && empty.totalBytes == 0)
        #expect(Array(empty.presentationTimes).isEmpty && empty.offsets.isEmpty)
    }
}
