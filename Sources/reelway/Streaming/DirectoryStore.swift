import Foundation
import Media
import Synchronization
import Transfer

/// A folder of this machine as an object store; `serve` shows it under `/media/`.
struct DirectoryStore: ObjectStore {
    /// Where the objects are: one folder for each video.
    let folder: String
    private let base: String

    init(folder: String, publicURL: String) {
        self.folder = folder
        base = publicURL
    }

    var description: String { "folder \(folder)" }

    func prepare(isCancelled: @escaping @Sendable () -> Bool) throws {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw Failure(.storageRejected, "the folder \(folder) can't be made; set STORAGE_DIR to one that can")
        }
    }

    func upload(
        key: String, isShared: Bool, onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) throws -> any ObjectUpload {
        let path = try path(of: key)
        return try DirectoryUpload(path: path) { [folder] in
            do {
                try FileManager.default.createDirectory(
                    atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            } catch {
                throw Failure(.storageRejected, "no folder can be made in \(folder); check its permissions")
            }
        }
    }

    func head(key: String, isCancelled: @escaping @Sendable () -> Bool) throws -> StoredObject? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path(of: key))
        guard let attributes, attributes[.type] as? FileAttributeType == .typeRegular else { return nil }
        return StoredObject(key: key, bytes: (attributes[.size] as? NSNumber)?.int64Value ?? 0)
    }

    func delete(key: String, isCancelled: @escaping @Sendable () -> Bool) throws {
        let path = try path(of: key)
        // A video that failed leaves its folder, also where it has come to nothing. One that another object of the video is
        // just being made in looks empty too: that object makes it again.
        defer { EmptyFolder.remove((path as NSString).deletingLastPathComponent) }
        guard FileManager.default.fileExists(atPath: path) else { return }
        try remove(path, of: key, isCancelled: isCancelled)
    }

    /// Removes what killed processes have left of writing a key. Most of them leave nothing: their files had no name.
    func reapUploads(prefix key: String, isCancelled: @escaping @Sendable () -> Bool) throws -> Int {
        let path = try path(of: key)
        let folder = (path as NSString).deletingLastPathComponent
        let left = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
            FileSink.isLeft($0, of: path)
        }
        for name in left { try remove("\(folder)/\(name)", of: key, isCancelled: isCancelled) }
        return left.count
    }

    func abortUpload(key: String, id: String, isCancelled: @escaping @Sendable () -> Bool) throws {}

    func publicURL(key: String) -> String { "\(base)/\(PercentEncoding.path(place(of: key)))" }

    func probe(isCancelled: @escaping @Sendable () -> Bool) throws -> StoreProbe {
        let key = "reelway-probe/\(UUID().uuidString.lowercased()).mp4"
        let upload = try upload(key: key, onEvent: { _ in })
        try upload.finish(head: Array("reelway".utf8))
        guard try head(key: key, isCancelled: isCancelled)?.bytes == 7 else {
            throw Failure(.storageUnavailable, "\(folder) doesn't keep what is written; check the file system")
        }
        try delete(key: key, isCancelled: isCancelled)
        return StoreProbe(isPubliclyReadable: true, publicURL: publicURL(key: key))
    }

    private func path(of key: String) throws -> String {
        let place = place(of: key)
        let parts = place.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0.hasPrefix(".") }), !place.utf8.contains(0) else {
            throw Failure(.storageRejected, "the object's key can't be used as a path")
        }
        return "\(folder)/\(place)"
    }

    /// A key's folder and file name. `/media/` shows what lies in folders of one level and isn't hidden, while a video's id may
    /// hold slashes and begin with a dot.
    private func place(of key: String) -> String {
        guard let slash = key.lastIndex(of: "/") else { return key }
        let id = key[..<slash].replacing("%", with: "%25").replacing("/", with: "%2F").replacing("\\", with: "%5C")
        return (id.hasPrefix(".") ? "%2E\(id.dropFirst())" : String(id)) + key[slash...]
    }

    private func remove(_ path: String, of key: String, isCancelled: () -> Bool) throws {
        // The process may have slept beyond the time it had, and what lies there be new.
        if isCancelled() { throw Failure(.cancelled, "stopped before \(key) was deleted from \(folder)") }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw Failure(.storageRejected, "\(key) can't be deleted from \(folder); check its permissions")
        }
    }
}

/// A file of a `DirectoryStore` on its way.
private final class DirectoryUpload: ObjectUpload {
    let location: String
    /// Held for as long as the disk takes, which may be for ever: by the job's thread alone.
    private let sink: Mutex<FileSink>
    private let isCancelled = Atomic(false)
    private let written = Atomic<Int64>(0)
    private let hashed = Atomic<Int64>(0)

    init(path: String, makeFolder: @escaping @Sendable () throws -> Void) throws {
        location = path
        sink = Mutex(try FileSink(path: path, overwrite: true, isDurable: true, makeFolder: makeFolder))
    }

    func write(_ bytes: [UInt8], headLength: Int) throws {
        try heedCancel()
        try sink.withLock { try $0.write(bytes, headLength: headLength) }
        written.add(Int64(bytes.count), ordering: .relaxed)
    }

    func finish(head: [UInt8]) throws {
        try heedCancel()
        try sink.withLock { try $0.finish(head: head) }
        written.add(Int64(head.count), ordering: .relaxed)
    }

    func sha256() throws -> String? {
        try FileSink.sha256(of: location) { count in
            try heedCancel()
            hashed.add(Int64(count), ordering: .relaxed)
        }
    }

    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    /// Waits for a `write` or `finish` under way.
    func abort() {
        cancel()
        sink.withLock { $0.abort() }
    }

    var measures: UploadMeasures {
        UploadMeasures(bytesSent: written.load(ordering: .relaxed), bytesFetched: hashed.load(ordering: .relaxed))
    }

    private func heedCancel() throws {
        if isCancelled.load(ordering: .relaxed) { throw Failure(.cancelled, "cancelled before the video was stored") }
    }
}
