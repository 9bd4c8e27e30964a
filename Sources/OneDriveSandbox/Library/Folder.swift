import Foundation
import Synchronization

/// The folder of videos, and what a test has laid over it. Nothing is ever written into the folder.
final class Folder: Sendable {
    private struct Overlay {
        var replacement: String?
        var contentRevision = 0
        var propertyRevision = 0
    }
    private struct HashKey: Hashable {
        let path: String
        let size: Int64
        let modified: Date
    }

    private let location: URL
    private let overlays = Mutex<[String: Overlay]>([:])
    private let hashes = Mutex<[HashKey: String]>([:])

    init(_ path: String) { location = URL(fileURLWithPath: path, isDirectory: true) }

    /// The regular, visible files, by name.
    var items: [Item] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: location.path)) ?? []
        return names.sorted().compactMap { $0.hasPrefix(".") ? nil : item(named: $0) }
    }

    func item(id: String) -> Item? { items.first { $0.id == id } }

    func item(named name: String) -> Item? {
        let overlay = overlays.withLock { $0[name] } ?? Overlay()
        let path = overlay.replacement ?? location.appendingPathComponent(name).path
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        guard let facts = try? FileManager.default.attributesOfItem(atPath: target),
            facts[.type] as? FileAttributeType == .typeRegular,
            let size = (facts[.size] as? NSNumber)?.int64Value, let modified = facts[.modificationDate] as? Date
        else { return nil }
        return Item(
            name: name, path: target, size: size, modified: modified, contentRevision: overlay.contentRevision,
            propertyRevision: overlay.propertyRevision)
    }

    /// The hash; computed once for each content.
    func quickXorHash(of item: Item) async throws -> String {
        let key = HashKey(path: item.path, size: item.size, modified: item.modified)
        if let known = hashes.withLock({ $0[key] }) { return known }
        let hash = try await item.quickXorHash()
        hashes.withLock { $0[key] = hash }
        return hash
    }

    func replace(_ name: String, with path: String) {
        overlays.withLock {
            $0[name, default: Overlay()].replacement = path
            $0[name, default: Overlay()].contentRevision += 1
        }
    }

    func touch(_ name: String) { overlays.withLock { $0[name, default: Overlay()].propertyRevision += 1 } }
}
