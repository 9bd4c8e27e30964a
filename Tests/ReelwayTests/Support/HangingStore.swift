import Foundation
import Synchronization
import Transfer

/// A store in whose first uploads the job's thread hangs, heeding nobody who stops it, as it does in a codec that loops.
final class HangingStore: ObjectStore {
    private let store: any ObjectStore
    private let state: Mutex<(left: Int, hung: [String])>

    /// - Parameter hangs: how many uploads do.
    init(_ store: any ObjectStore, hangs: Int) {
        self.store = store
        state = Mutex((left: hangs, hung: []))
    }

    /// The keys of the uploads in which a thread hangs or hung.
    var hung: [String] { state.withLock(\.hung) }

    /// Lets the threads go on.
    func letGo() { state.withLock { $0.left = -1 } }

    func upload(
        key: String, isShared: Bool, onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) throws -> any ObjectUpload {
        let hangs = state.withLock { state in
            guard state.left > 0 else { return false }
            state.left -= 1
            state.hung.append(key)
            return true
        }
        while hangs, state.withLock({ $0.left >= 0 }) { Thread.sleep(forTimeInterval: 0.02) }
        return try store.upload(key: key, isShared: isShared, onEvent: onEvent)
    }

    var description: String { store.description }

    func prepare(isCancelled: @escaping @Sendable () -> Bool) throws { try store.prepare(isCancelled: isCancelled) }

    func head(key: String, isCancelled: @escaping @Sendable () -> Bool) throws -> StoredObject? {
        try store.head(key: key, isCancelled: isCancelled)
    }

    func delete(key: String, isCancelled: @escaping @Sendable () -> Bool) throws {
        try store.delete(key: key, isCancelled: isCancelled)
    }

    func reapUploads(prefix: String, isCancelled: @escaping @Sendable () -> Bool) throws -> Int {
        try store.reapUploads(prefix: prefix, isCancelled: isCancelled)
    }

    func abortUpload(key: String, id: String, isCancelled: @escaping @Sendable () -> Bool) throws {
        try store.abortUpload(key: key, id: id, isCancelled: isCancelled)
    }

    func publicURL(key: String) -> String { store.publicURL(key: key) }

    func probe(isCancelled: @escaping @Sendable () -> Bool) throws -> StoreProbe {
        try store.probe(isCancelled: isCancelled)
    }
}
