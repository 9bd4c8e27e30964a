import Foundation
import Testing

@testable import Media

@Suite("Memory of pictures")
struct PictureMemoryTests {
    @Test(
        "Pictures have all the bytes they asked for, and none of another's", arguments: [1, 4096, 345_600, 3_139_200])
    func apart(bytes: Int) throws {
        let memory = PictureMemory(pictureBytes: bytes)
        let pictures = try (0..<20).map { _ in try #require(memory.take()) }
        for (index, picture) in pictures.enumerated() {
            #expect(Int(bitPattern: picture) % 64 == 0)
            memset(picture, Int32(index + 1), bytes)
        }
        for (index, picture) in pictures.enumerated() {
            #expect(picture.load(as: UInt8.self) == index + 1)
            #expect(picture.load(fromByteOffset: bytes - 1, as: UInt8.self) == index + 1)
        }
    }

    @Test("A picture that came back is the next one")
    func again() throws {
        let memory = PictureMemory(pictureBytes: 100_000)
        let pictures = try (0..<9).map { _ in try #require(memory.take()) }
        memory.giveBack(pictures[4])
        memory.giveBack(pictures[7])
        #expect(memory.take() == pictures[7])
        #expect(memory.take() == pictures[4])
        #expect(!pictures.contains(try #require(memory.take())))
    }

    @Test("More than there is room for is refused, and what is there stays")
    func tooLarge() throws {
        #expect(PictureMemory(pictureBytes: 1 << 50).take() == nil)
    }
}
