import Testing

@testable import Transfer

struct PartLayoutTests {
    private static let mebibyte = 1 << 20

    @Test(arguments: [(8, 8), (64, 64), (5, 5), (1, 5), (6144, 5120)])
    func `after the first few, parts have the size that is set, within S3's limits; sizes in MiB`(set: Int, part: Int) {
        let layout = PartLayout(partBytes: set * Self.mebibyte, headLength: 6 * Self.mebibyte)
        #expect(layout.bytes(ofPart: 50) == part * Self.mebibyte)
    }

    @Test(arguments: [(2, 5120), (3, 6400), (4, 8000), (5, 8192), (6, 8192)])
    func `the first parts grow from the smallest by a quarter each; sizes in KiB`(number: Int, kibibytes: Int) {
        #expect(PartLayout(partBytes: 8 << 20, headLength: 6 << 20).bytes(ofPart: number) == kibibytes << 10)
    }

    @Test(arguments: [(10, 8), (1001, 8), (1002, 16), (2001, 16), (2002, 32), (9002, 4096), (10_000, 4096)])
    func `parts double every thousand`(number: Int, mebibytes: Int) {
        #expect(
            PartLayout(partBytes: 8 << 20, headLength: 6 << 20).bytes(ofPart: number) == mebibytes * Self.mebibyte)
    }

    @Test(arguments: [8, 64, 5120])
    func `ten thousand parts of the usual size hold the largest object S3 takes; sizes in MiB`(size: Int) {
        let layout = PartLayout(partBytes: size * Self.mebibyte, headLength: 6 * Self.mebibyte)
        let total = (2...PartLayout.mostParts).reduce(0) { $0 + (layout.bytes(ofPart: $1) ?? 0) }
        #expect(total >= 5 * 1024 * 1024 * Self.mebibyte)
    }

    /// What is sent in what order, where each piece of a MiB comes with a right or a wrong word on what is to come.
    private static func parts(of body: Int, expecting: (Int) -> Int) -> [Int] {
        let layout = PartLayout(partBytes: 8 * mebibyte, headLength: 6 * mebibyte)
        var parts: [Int] = []
        var collected = 0
        for written in stride(from: mebibyte, through: body, by: mebibyte) {
            collected += mebibyte
            while let size = layout.bytes(ofPart: parts.count + 2, bodyLeft: Int64(collected + expecting(written))),
                collected >= size
            {
                parts.append(size)
                collected -= size
            }
        }
        return parts + [collected]
    }

    @Test(arguments: 22...63)
    func `a body of known length leaves little at its end, after a part of 5 MiB; sizes in MiB`(mebibytes: Int) {
        let body = mebibytes * Self.mebibyte
        let parts = Self.parts(of: body) { body - $0 }
        #expect(parts.reduce(0, +) == body)
        #expect(parts.dropLast().last == 5 * Self.mebibyte)
        #expect(parts.last.map { $0 <= 4 * Self.mebibyte } == true, "\(parts)")
        #expect(parts.dropLast().allSatisfy { (5 * Self.mebibyte...8 * Self.mebibyte).contains($0) })
    }

    @Test(arguments: [0.5, 0.8, 1.25, 2, 100], 6...63)
    func `whatever is guessed, no part leaves later than planned nor is too short; sizes in MiB`(
        factor: Double, mebibytes: Int
    ) {
        let body = mebibytes * Self.mebibyte
        let parts = Self.parts(of: body) { Int(Double(body - $0) * factor) }
        #expect(parts.reduce(0, +) == body)
        let layout = PartLayout(partBytes: 8 * Self.mebibyte, headLength: 6 * Self.mebibyte)
        for (index, size) in parts.enumerated() {
            #expect(size <= layout.bytes(ofPart: index + 2) ?? 0)
            #expect(size >= PartLayout.smallestPart || index == parts.count - 1)
        }
    }

    @Test func `equal parts stay equal whatever is to come`() {
        let layout = PartLayout(partBytes: 8 << 20, headLength: 5_400_000, areEqual: true)
        #expect(layout.bytes(ofPart: 2, bodyLeft: 9 << 20) == 5_400_000)
    }

    @Test func `where nobody knows what is to come, parts are as planned`() {
        let layout = PartLayout(partBytes: 8 << 20, headLength: 6 << 20)
        #expect(layout.bytes(ofPart: 50, bodyLeft: nil) == 8 << 20)
        #expect(layout.bytes(ofPart: 1, bodyLeft: 9 << 20) == nil)
    }

    @Test func `there is no part 1 to ask for, and none beyond the ten-thousandth`() {
        let layout = PartLayout(partBytes: 8 << 20, headLength: 6 << 20)
        #expect(layout.bytes(ofPart: 1) == nil)
        #expect(layout.bytes(ofPart: 10_001) == nil)
    }

    @Test func `where all parts have to be equal, they are as long as the head`() {
        let layout = PartLayout(partBytes: 8 << 20, headLength: 5_400_000, areEqual: true)
        #expect(layout.bytes(ofPart: 2) == 5_400_000)
        #expect(layout.bytes(ofPart: 9_999) == 5_400_000)
    }
}
