import Testing

@testable import Transfer

@Suite struct PartLayoutTests {
    private static let mebibyte = 1 << 20

    @Test(
        "after the first few, parts have the size that is set, within S3's limits; sizes in MiB",
        arguments: [(8, 8), (64, 64), (5, 5), (1, 5), (6144, 5120)])
    func size(set: Int, part: Int) {
        let layout = PartLayout(partBytes: set * Self.mebibyte, headLength: 6 * Self.mebibyte)
        #expect(layout.bytes(ofPart: 50) == part * Self.mebibyte)
    }

    @Test(
        "the first parts grow from the smallest by a quarter each; sizes in KiB",
        arguments: [(2, 5120), (3, 6400), (4, 8000), (5, 8192), (6, 8192)])
    func start(number: Int, kibibytes: Int) {
        #expect(PartLayout(partBytes: 8 << 20, headLength: 6 << 20).bytes(ofPart: number) == kibibytes << 10)
    }

    @Test(
        "parts double every thousand",
        arguments: [(10, 8), (1001, 8), (1002, 16), (2001, 16), (2002, 32), (9002, 4096), (10_000, 4096)])
    func growth(number: Int, mebibytes: Int) {
        #expect(
            PartLayout(partBytes: 8 << 20, headLength: 6 << 20).bytes(ofPart: number) == mebibytes * Self.mebibyte)
    }

    @Test(
        "ten thousand parts of the usual size hold the largest object S3 takes; sizes in MiB",
        arguments: [8, 64, 5120])
    func capacity(size: Int) {
        let layout = PartLayout(partBytes: size * Self.mebibyte, headLength: 6 * Self.mebibyte)
        let total = (2...PartLayout.mostParts).reduce(0) { $0 + (layout.bytes(ofPart: $1) ?? 0) }
        #expect(total >= 5 * 1024 * 1024 * Self.mebibyte)
    }

    @Test("there is no part 1 to ask for, and none beyond the ten-thousandth")
    func bounds() {
        let layout = PartLayout(partBytes: 8 << 20, headLength: 6 << 20)
        #expect(layout.bytes(ofPart: 1) == nil)
        #expect(layout.bytes(ofPart: 10_001) == nil)
    }

    @Test("where all parts have to be equal, they are as long as the head")
    func equalParts() {
        let layout = PartLayout(partBytes: 8 << 20, headLength: 5_400_000, areEqual: true)
        #expect(layout.bytes(ofPart: 2) == 5_400_000)
        #expect(layout.bytes(ofPart: 9_999) == 5_400_000)
    }
}
