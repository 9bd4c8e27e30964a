import Foundation
import Media
import Synchronization
import Transfer

/// Opens what a command's INPUT and OUTPUT name. The environment is read only where a name leaves this machine.
struct Endpoints {
    private let isCancelled: @Sendable () -> Bool
    private var remote: RemoteEnds?
    private let interruption = Interrupter()

    init(isCancelled: @escaping @Sendable () -> Bool) { self.isCancelled = isCancelled }

    /// A path, `-`, `http(s)://…`, `onedrive:ITEM` or `onedrive:DRIVE/ITEM`.
    mutating func input(_ name: String) throws -> any ByteSource {
        if name.isEmpty { throw Failure(.usage, "INPUT is empty; give a path, - or an address") }
        if name == "-" { return StandardInput(isCancelled: isCancelled) }
        let lowercased = name.lowercased()
        let download: RangedSource
        if lowercased.hasPrefix("https://") || lowercased.hasPrefix("http://") {
            let location = RangedSource.Location(url: name)
            guard location.isCallable else {
                throw Failure(
                    .usage,
                    "INPUT is no address that can be called; percent-encode what has no place in one (a space is %20)")
            }
            let remote = try remoteEnds()
            download = try BlockingWait.result(isCancelled: isCancelled) {
                try await RangedSource.open(location, client: remote.sources, options: remote.readAhead)
            }
        } else if lowercased.hasPrefix("onedrive:") {
            let remote = try remoteEnds()
            let oneDrive = try remote.oneDrive()
            let path = name.dropFirst("onedrive:".count).split(separator: "/", omittingEmptySubsequences: false)
            guard let item = path.last.map(String.init), !item.isEmpty, path.count < 3, path.first?.isEmpty == false
            else {
                throw Failure(.usage, "give onedrive:ITEM_ID or onedrive:DRIVE_ID/ITEM_ID")
            }
            let drive = path.count == 2 ? String(path[0]) : nil
            download = try BlockingWait.result(isCancelled: isCancelled) {
                try await oneDrive.open(try await oneDrive.item(item, drive: drive), options: remote.readAhead)
            }
        } else {
            return try FileSource(path: name, isCancelled: isCancelled)
        }
        interruption.watch(isCancelled) { download.abort() }
        return RemoteSource(download)
    }

    /// A path, `s3://BUCKET/KEY` or `supabase://BUCKET/KEY`, for a video of a profile.
    mutating func output(_ name: String, profile: Profile, overwrite: Bool) throws -> any ByteSink {
        if name.isEmpty { throw Failure(.usage, "OUTPUT is empty; give a path or s3://BUCKET/KEY") }
        guard let scheme = ["s3", "supabase"].first(where: { name.lowercased().hasPrefix("\($0)://") }) else {
            // What is an INPUT is meant as one: nobody wants a file of that name.
            if name == "-" || ["onedrive:", "http://", "https://"].contains(where: name.lowercased().hasPrefix) {
                throw Failure(
                    .usage, "nothing can be written there; give a path, s3://BUCKET/KEY or supabase://BUCKET/KEY")
            }
            return try FileSink(path: name, overwrite: overwrite)
        }
        let path = name.dropFirst(scheme.count + 3)
        let bucket = String(path.prefix { $0 != "/" })
        let key = String(path.dropFirst(bucket.count + 1))
        guard !bucket.isEmpty, !key.isEmpty else {
            throw Failure(.usage, "give \(scheme)://BUCKET/KEY")
        }
        let store = try remoteEnds().store(scheme: scheme, bucket: bucket, profile: profile)
        try store.prepare(isCancelled: isCancelled)
        if !overwrite, try store.head(key: key, isCancelled: isCancelled) != nil {
            throw Failure(.outputExists, "\(name) exists; choose another key or give --overwrite")
        }
        let upload = try store.upload(key: key, onEvent: { _ in })
        interruption.watch(isCancelled) { upload.cancel() }
        return StoreSink(upload)
    }

    /// Ends connections and what watches for an interruption.
    func close() {
        interruption.stop()
        remote?.sources.shutdown()
        remote?.stores.shutdown()
    }

    private mutating func remoteEnds() throws -> RemoteEnds {
        if let remote { return remote }
        let ends = RemoteEnds(try Settings(ProcessInfo.processInfo.environment))
        remote = ends
        return ends
    }
}

/// Wakes what blocks on the network when the user interrupts: a signal only sets a flag.
private final class Interrupter: Sendable {
    private let isOver = Mutex(false)

    func watch(_ isCancelled: @escaping @Sendable () -> Bool, _ wake: @escaping @Sendable () -> Void) {
        let thread = Thread { [weak self] in
            while self?.isOver.withLock({ $0 }) == false {
                if isCancelled() { return wake() }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
        thread.name = "interruption"
        thread.start()
    }

    func stop() { isOver.withLock { $0 = true } }
}
