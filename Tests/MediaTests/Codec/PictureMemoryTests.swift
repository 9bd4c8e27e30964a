import CFFmpeg
import Foundation
import Testing

@testable import Media

struct PictureMemoryTests {
    @Test(arguments: [1, 4096, 345_600, 3_139_200])
    func `pictures have all the bytes they asked for, and none of another's`(bytes: Int) throws {
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

    @Test func `a picture that came back is the next one`() throws {
        let memory = PictureMemory(pictureBytes: 100_000)
        let pictures = try (0..<9).map { _ in try #require(memory.take()) }
        memory.giveBack(pictures[4])
        memory.giveBack(pictures[7])
        #expect(memory.take() == pictures[7])
        #expect(memory.take() == pictures[4])
        #expect(!pictures.contains(try #require(memory.take())))
    }

    @Test func `more than there is room for is refused, and what is there stays`() throws {
        #expect(PictureMemory(pictureBytes: 1 << 50).take() == nil)
    }

    @Test func `a decoder's pictures lie where huge pages were asked for, and outlive it`() throws {
        let source = try FileSource(path: Fixture.path("copy-1080p30-44.1k-b-frames.mp4"))
        let probe = try Probe(source, threads: 1, isCancelled: { false })
        var frames: [Frame] = []
        do {
            let decoder = try Decoder(probe.videoStream, threads: 2)
            while frames.count < 4, let packet = try probe.next() {
                guard packet.streamIndex == probe.videoStream.index else { continue }
                try decoder.decode(packet) { frames.append($0) }
            }
        }
        #expect(frames.count >= 4)
        let areas = try Self.areasInHugePages()
        for frame in frames {
            let luma = try #require(frame.pointer.pointee.data.0)
            #expect((0..<frame.height).contains { luma[$0 * Int(frame.pointer.pointee.linesize.0)] > 0 })
            #expect(areas.contains { $0.contains(UInt(bitPattern: luma)) } || !Self.areGiven)
        }
    }

    /// Whether this kernel has huge pages for who asks.
    private static let areGiven = FileManager.default.fileExists(atPath: "/sys/kernel/mm/transparent_hugepage")

    /// The process's addresses for which huge pages were asked.
    private static func areasInHugePages() throws -> [Range<UInt>] {
        var areas: [Range<UInt>] = []
        var area: Range<UInt>?
        // Not String(contentsOfFile:), which takes one page of a file that says it is empty.
        let smaps = try #require(try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/smaps")).readToEnd())
        for line in String(decoding: smaps, as: UTF8.self).split(separator: "\n") {
            if let match = line.prefixMatch(of: /([0-9a-f]+)-([0-9a-f]+) .*/),
                let start = UInt(match.1, radix: 16), let end = UInt(match.2, radix: 16)
            {
                area = start..<end
            } else if line.hasPrefix("VmFlags:"), line.contains(" hg"), let area {
                areas.append(area)
            }
        }
        return areas
    }
}
