import Foundation
import Testing

@testable import Transfer

struct QuickXorHashTests {
    @Test(arguments: [
        ("", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), ("hello world", "aCgDG9jwBhDc4Q1yawMZAAAAAAA="),
    ])
    func `the published values come out`(text: String, expected: String) {
        #expect(hash([Array(text.utf8)[...]], of: text.utf8.count) == expected)
    }

    @Test func `blocks in any order and of any size give the same hash`() {
        let bytes = Drive.noise(100_003)
        let whole = hash([bytes[...]], of: bytes.count)
        #expect(whole == reference(bytes))
        for size in [1, 7, 8, 159, 160, 161, 1000, 16_384] {
            let blocks = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(hash(blocks.shuffled(), of: bytes.count) == whole)
        }
    }

    private func hash(_ blocks: [ArraySlice<UInt8>], of length: Int) -> String {
        var hash = QuickXorHash()
        for block in blocks { block.withUnsafeBytes { hash.update($0, at: Int64(block.startIndex)) } }
        return hash.digest(length: Int64(length))
    }

    /// Byte by byte, as the definition reads.
    private func reference(_ bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 20)
        for (offset, byte) in bytes.enumerated() {
            for bit in 0..<8 where byte >> bit & 1 == 1 {
                let place = (offset * 11 + bit) % 160
                digest[place / 8] ^= 1 << (place % 8)
            }
        }
        for index in 0..<8 { digest[12 + index] ^= UInt8(truncatingIfNeeded: bytes.count >> (8 * index)) }
        return Data(digest).base64EncodedString()
    }
}
