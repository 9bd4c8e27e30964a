import Foundation
import Synchronization
import Testing

@testable import Media

/// A file whose folder others remove while it looks empty.
struct FileSinkTests {
    @Test func `where a link leads is replaced, not the link`() throws {
        let folder = try Scratch.folder()
        try FileManager.default.createDirectory(atPath: folder + "/kept", withIntermediateDirectories: false)
        try Data("older".utf8).write(to: URL(fileURLWithPath: folder + "/kept/file"))
        try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "kept/file")
        let sink = try FileSink(path: folder + "/link", overwrite: true)
        try sink.finish(head: Array("newer".utf8))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/link") == "kept/file")
        #expect(try String(contentsOfFile: folder + "/kept/file", encoding: .utf8) == "newer")
        #expect(try Scratch.contents(of: folder + "/kept") == ["file"])
    }

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

    @Test func `what a killed process left beside a file is in nobody's way, and is known by its name`() throws {
        let folder = try Scratch.folder()
        // In a container that is started anew process and descriptors have their old numbers.
        for descriptor in 0..<256 {
            try Data().write(to: URL(fileURLWithPath: "\(folder)/.reelway-\(getpid())-\(descriptor)"))
        }
        let path = folder + "/out.mp4"
        let sink = try FileSink(path: path, overwrite: true, isDurable: true)
        try sink.finish(head: [1, 2, 3])
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([1, 2, 3]))
        #expect(try Scratch.contents(of: folder).filter { FileSink.isLeft($0, of: path) }.isEmpty)
        #expect(FileSink.isLeft(".reelway-out.mp4-a1B2c3", of: path))
        #expect(!FileSink.isLeft(".reelway-another.mp4-a1B2c3", of: path))
    }

    @Test(arguments: [1, 200, 255]) func `a name may be as long as the file system takes`(length: Int) throws {
        let folder = try Scratch.folder()
        let name = String(repeating: "é", count: length / 2) + (length.isMultiple(of: 2) ? "" : "x")
        try FileSink(path: "\(folder)/\(name)", overwrite: true).finish(head: [1])
        #expect(try Scratch.contents(of: folder) == [name])
    }

    @Test func `a folder that takes no file says why`() throws {
        let error = #expect(throws: MediaError.self) { try FileSink(path: "/proc/out.mp4", overwrite: false) }
        #expect(error?.code == .storageRejected)
        #expect(error?.message.contains(String(cString: strerror(EBADF))) == false, "\(error.debugDescription)")
    }

    @Test func `a folder that can't be made is said`() throws {
        struct Refused: Error {}
        let path = try Scratch.folder() + "/video/out.mp4"
        #expect(throws: Refused.self) { try FileSink(path: path, overwrite: true) { throw Refused() } }
    }
}
