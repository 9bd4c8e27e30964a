import Foundation
import Testing
import Transfer

@testable import reelway

struct DirectoryStoreTests {
    @Test(arguments: [
        ("a b", "a%20b"), ("50%", "50%2525"), ("x#1?", "x%231%3F"), ("ü", "%C3%BC"), ("plain-1", "plain-1"),
        ("shop/7", "shop%252F7"), ("shop%2F7", "shop%25252F7"), (".x", "%252Ex"), ("..", "%252E."), ("a\\b", "a%255Cb"),
    ])
    func `the address of an object leads to it, whatever its video's id is`(id: String, segment: String) throws {
        let folder = try TestFolder()
        let store = DirectoryStore(folder: folder.path, publicURL: "http://127.0.0.1:8080/media")
        let upload = try store.upload(key: "\(id)/0123456789ab.mp4", onEvent: { _ in })
        try upload.finish(head: [1, 2, 3])
        #expect(try store.head(key: "\(id)/0123456789ab.mp4", isCancelled: { false })?.bytes == 3)
        let url = store.publicURL(key: "\(id)/0123456789ab.mp4")
        #expect(url == "http://127.0.0.1:8080/media/\(segment)/0123456789ab.mp4")
    }

    @Test func `an object that came to be while its removal was held up stays`() throws {
        let folder = try TestFolder()
        let store = DirectoryStore(folder: folder.path, publicURL: "http://127.0.0.1:8080/media")
        try store.upload(key: "video/a.mp4", onEvent: { _ in }).finish(head: [1, 2, 3])
        #expect(throws: Failure.self) { try store.delete(key: "video/a.mp4", isCancelled: { true }) }
        #expect(try store.head(key: "video/a.mp4", isCancelled: { false }) != nil)
        try store.delete(key: "video/a.mp4", isCancelled: { false })
        #expect(try store.head(key: "video/a.mp4", isCancelled: { false }) == nil)
    }

    @Test func `what a killed worker left of one object is removed, and nothing else`() throws {
        let folder = try TestFolder()
        let store = DirectoryStore(folder: folder.path, publicURL: "http://127.0.0.1:8080/media")
        try folder.write("video/.reelway-a.mp4-a1B2c3", Data([1]))
        try folder.write("video/.reelway-b.mp4-a1B2c3", Data([1]))
        try store.upload(key: "video/a.mp4", onEvent: { _ in }).finish(head: [1, 2, 3])
        #expect(throws: Failure.self) { try store.reapUploads(prefix: "video/a.mp4", isCancelled: { true }) }
        #expect(try store.reapUploads(prefix: "video/a.mp4", isCancelled: { false }) == 1)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/video")
        #expect(names.sorted() == [".reelway-b.mp4-a1B2c3", "a.mp4"])
        #expect(try store.reapUploads(prefix: "none/a.mp4", isCancelled: { false }) == 0)
    }

    /// Where the disk stands still is where the file system has another give up its lease on a file.
    @Test func `a disk that stands still holds up neither who measures an upload nor who cancels it`() async throws {
        let folder = try TestFolder(in: "/dev/shm")
        let store = DirectoryStore(folder: folder.path, publicURL: "http://127.0.0.1:8080/media")
        let upload = try store.upload(key: "video/a.mp4", onEvent: { _ in })
        try upload.finish(head: [1, 2, 3])
        // Linux's F_SETLEASE and F_GETLEASE, which glibc shows only to _GNU_SOURCE, and the signal it asks for a lease with.
        let (setLease, getLease): (Int32, Int32) = (1024, 1025)
        signal(SIGIO, SIG_IGN)
        let file = open(folder.path + "/video/a.mp4", O_RDWR)
        try #require(fcntl(file, setLease, F_WRLCK) == 0)
        let reading = Task { try await JobThread.run(named: "hash") { try upload.sha256() } }
        let begun = ContinuousClock.now
        while fcntl(file, getLease, 0) == F_WRLCK, begun.duration(to: .now) < .seconds(10) {
            try await Task.sleep(for: .milliseconds(5))
        }
        let asked = ContinuousClock.now
        try await JobThread.run(named: "watch") {
            #expect(upload.measures.bytesSent == 3)
            upload.cancel()
        }
        #expect(asked.duration(to: .now) < .seconds(5))
        close(file)
        await #expect(throws: Failure.self) { try await reading.value }
    }

    @Test func `a video that is being stored survives the deletion of its last object`() throws {
        let folder = try TestFolder()
        let store = DirectoryStore(folder: folder.path, publicURL: "http://127.0.0.1:8080/media")
        let upload = try store.upload(key: "video/new.mp4", onEvent: { _ in })
        try store.delete(key: "video/old.mp4", isCancelled: { false })
        try upload.finish(head: [1, 2, 3])
        #expect(try store.head(key: "video/new.mp4", isCancelled: { false })?.bytes == 3)
    }
}
