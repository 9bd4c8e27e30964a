import Foundation
import Synchronization
import Testing

@testable import Media

/// A file whose folder others remove while it looks empty.
struct FileSinkTests {
    @Test func `a folder that is removed as soon as it is made is made again`() throws {
        let folder = try Scratch.folder() + "/video"
        let made = Mutex(0)
        let sink = try FileSink(path: folder + "/out.mp4", overwrite: true) {
            mkdir(folder, 0o755)
            made.withLock { $0 += 1 }
            if made.withLock({ $0 <= 3 }) { rmdir(folder) }
        }
        #expect(made.withLock(\.self) == 4)
        #expect(rmdir(folder) == 0)
        try sink.finish(head: [1, 2, 3])
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/out.mp4")) == Data([1, 2, 3]))
        #expect(try Scratch.contents(of: folder) == ["out.mp4"])
    }

    @Test func `a folder that can't be made is said`() throws {
        struct Refused: Error {}
        let path = try Scratch.folder() + "/video/out.mp4"
        #expect(throws: Refused.self) { try FileSink(path: path, overwrite: true) { throw Refused() } }
    }
}
