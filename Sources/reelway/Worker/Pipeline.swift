import Foundation
import Media
import Synchronization
import Transfer

/// One video from OneDrive to the store, on the thread that calls `run`.
///
/// ```
/// OneDrive ─ item ─▶ key, identity
///     └─ ranges ─▶ RemoteSource ─▶ Transcode ─▶ StoreSink ─ parts ─▶ ObjectStore
///                       └─ hash ──────▶ │ ◀── still this worker's? before the object becomes visible
///                                         └── the object is fetched once and hashed, for the report
/// ```
struct Pipeline: Sendable {
    /// A stored, checked video.
    struct Outcome: Sendable {
        let key: String
        let url: String
        let bytes: Int64
        let seconds: Double
        /// JSON of a `Report`.
        let report: String
    }

    private let oneDrive: OneDrive
    private let store: any ObjectStore
    private let readAhead: RangedSource.Options
    private let options: Transcode.Options

    init(oneDrive: OneDrive, store: any ObjectStore, readAhead: RangedSource.Options, threads: Int?) {
        self.oneDrive = oneDrive
        self.store = store
        self.readAhead = readAhead
        var options = Transcode.Options()
        options.threads = threads
        options.hashesOutput = true
        options.givesWay = true
        self.options = options
    }

    /// Does the work; blocks. Throws whatever layer's error ended it; an object that may have come to be
    /// then is a leftover.
    func run(_ job: Job, watch: JobWatch, ownership: Ownership) throws -> Outcome {
        do {
            return try run(job, options, watch: watch, ownership: ownership)
        } catch let error as MediaError where error.copyFault != nil {
            var options = options
            options.copyFault = error.copyFault
            return try run(job, options, watch: watch, ownership: ownership)
        }
    }

    private func run(
        _ job: Job, _ options: Transcode.Options, watch: JobWatch, ownership: Ownership
    ) throws -> Outcome {
        let isStopped: @Sendable () -> Bool = { watch.stop != nil }
        let start = ContinuousClock.now
        let (oneDrive, readAhead) = (oneDrive, readAhead)
        let item = try BlockingWait.result(isCancelled: isStopped) {
            try await oneDrive.item(job.fileID, drive: job.driveID)
        }
        let download = try BlockingWait.result(isCancelled: isStopped) {
            try await oneDrive.open(item, options: readAhead)
        }
        defer { download.close() }
        watch.whenStopped { download.abort() }
        watch.count { download.bytesDownloaded &+ Int64(download.lastHeld * 1000) }

        let key = ObjectKey.make(
            videoID: job.videoID, sourceIdentity: item.identity, profile: options.profile.name)
        try ownership.announce(key: key)
        // Another worker that repeats the job writes the same key. What an attempt leaves there is for the sweep to judge,
        // which asks the row.
        let hasLostUpload = Mutex(false)
        let upload = try store.upload(key: key, isShared: true) { event in
            switch event {
            case .opened(let key, let id): ownership.note(key: key, uploadID: id)
            case .closed(let key, _): ownership.note(key: key, uploadID: nil)
            case .lost: hasLostUpload.withLock { $0 = true }
            }
        }
        watch.whenStopped { upload.cancel() }
        watch.count {
            let measures = upload.measures
            // A rest that the store asks for is no standstill: its time counts as if bytes had moved.
            return measures.bytesSent &+ measures.bytesTransmitted &+ measures.bytesFetched
                &+ Int64(measures.lastRest * 1000)
        }

        let source = RemoteSource(download)
        let sink = StoreSink(upload, confirm: ownership.confirm)
        var report = try Transcode(
            from: source, to: sink, options: options, progress: watch.report, isCancelled: isStopped
        ).run()
        if hasLostUpload.withLock({ $0 }) { try ownership.noteLost(key: key) }
        report.describe(source: source)
        report.describe(sink: sink)
        let url = store.publicURL(key: key)
        report.output?.location = url
        return Outcome(
            key: key, url: url, bytes: report.output?.bytes ?? 0, seconds: start.duration(to: .now) / .seconds(1),
            report: try JSON.text(of: report, onOneLine: true))
    }

    /// Removes what a dead, failed or cancelled job left in the store, or what a newer object has replaced.
    ///
    /// - Parameter deadline: nothing is sent after it; what isn't removed then stays.
    func remove(_ leftover: Leftover, until deadline: ContinuousClock.Instant) async throws {
        let isLate: @Sendable () -> Bool = { ContinuousClock.now > deadline }
        try await JobThread.run(named: "sweep") { [store] in
            if let id = leftover.uploadID {
                try Self.unlessRefused { try store.abortUpload(key: leftover.key, id: id, isCancelled: isLate) }
            }
            if leftover.deletesObject { try store.delete(key: leftover.key, isCancelled: isLate) }
            // A worker may have died before the row knew its upload's id, and now nobody writes this key.
            if leftover.isLast {
                try Self.unlessRefused { try store.reapUploads(prefix: leftover.key, isCancelled: isLate) }
            }
        }
    }

    /// What a store, or this key's rights, will never list or end can't be waited for; the object can be deleted all the same.
    private static func unlessRefused(_ request: () throws -> Void) throws {
        do {
            try request()
        } catch let error as TransferError where [.storageAuth, .storageRejected].contains(error.code) {}
    }
}

extension Report {
    /// Adds what only the transfer knows: the hash of the source, and how long bytes travelled.
    mutating func describe(source: RemoteSource) {
        input?.quickXorHash = source.quickXorHash
        timings.downloadSeconds = source.downloadSeconds
    }

    /// Adds what only the upload knows.
    mutating func describe(sink: StoreSink) {
        timings.uploadSeconds = sink.measures.uploadSeconds
        timings.temporaryBytes = sink.measures.temporaryBytes
    }
}
