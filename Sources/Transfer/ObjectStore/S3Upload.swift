internal import Foundation
internal import Synchronization

//  write ─▶ collecting ─ a part's worth ─▶ PartSender ─ at most `connections` at a time ─▶ parts 2 … N
//  finish(head) ─▶ last part and part 1 ─▶ CompleteMultipartUpload, parts ascending ─▶ HEAD: is it all there?
//  no part was sent yet at finish ─▶ one PutObject of head and body
//  any failure, cancel, abort ─▶ discard: end the exchanges, AbortMultipartUpload until nothing is open, no object

/// One object on its way into an S3 store: parts leave while the body grows, the head leaves last.
///
/// Memory stays within two parts more than `connections`: the one that is collected or waits for its turn, those on
/// their way, and the head. Nothing touches the disk. An upload that is let go of without `finish` or `abort` stops
/// sending; what the store holds open then is left to `ObjectStore.reapUploads`, which its `opened` event makes possible.
final class S3Upload: ObjectUpload {
    /// `s3://BUCKET/KEY`.
    let location: String
    private let key: String
    private let isShared: Bool
    private let client: S3Client
    private let settings: S3Settings
    private let prepare: @Sendable (@escaping S3Client.Cancellation) throws(TransferError) -> Void
    private let onEvent: @Sendable (UploadEvent) -> Void
    private let sender: PartSender
    private let state = Mutex(State())

    private struct State {
        var collecting: [UInt8] = []
        var layout: PartLayout?
        var nextPart = 2
        var bodyBytes: Int64 = 0
        /// About as many come after what the next `write` brings, where the writer knows.
        var bytesToCome: Int64?
        var uploadID: String?
        /// Uploads that a broken answer may have left open without our knowing their id.
        var mayHaveOthers = false
        /// The object that there may be by now.
        var made: Made?
        /// Whether a thread is inside `write` or `finish`.
        var isBusy = false
        var stage = Stage.open
        var confirmed: Int64 = 0
        /// Bytes of the finished object that were fetched.
        var fetched: Int64 = 0
    }
    private enum Stage { case open, discarding, ended }
    private struct Made {
        /// Whether the store has said so. If not, what lies there may be from before.
        var isCertain = false
        /// Whether what lies there is ours: another may have replaced it since.
        let isOurs: @Sendable (StoredObject) -> Bool
    }

    init(
        key: String, isShared: Bool, client: S3Client, settings: S3Settings,
        prepare: @escaping @Sendable (@escaping S3Client.Cancellation) throws(TransferError) -> Void,
        onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) {
        self.key = key
        self.isShared = isShared
        self.client = client
        self.settings = settings
        self.prepare = prepare
        self.onEvent = onEvent
        location = "\(settings.scheme)://\(settings.bucket)/\(key)"
        sender = PartSender(key: key, client: client, connections: settings.connections)
    }

    deinit { sender.cancel() }

    /// Takes the next bytes of the body; blocks while `connections` parts are on their way and one more is full.
    func write(_ bytes: [UInt8], headLength: Int) throws {
        try use {
            guard headLength >= PartLayout.smallestPart else {
                throw TransferError(.internal, "the head of a multipart object has to be at least 5 MiB")
            }
            var rest = bytes[...]
            while let part = try collect(&rest, headLength: headLength) { try send(part.number, part.bytes) }
        }
    }

    func expect(bytesToCome: Int64) { state.withLock { $0.bytesToCome = bytesToCome } }

    /// Sends the rest and the head, makes the object of them, and asks the store whether it is whole.
    func finish(head: [UInt8]) throws {
        do {
            try use {
                let (uploadID, rest, number, bodyBytes) = state.withLock { state in
                    defer { state.collecting = [] }
                    return (state.uploadID, state.collecting, state.nextPart, state.bodyBytes)
                }
                if let uploadID {
                    try finishParts(uploadID, head, rest, number)
                } else {
                    try put(head + rest)
                }
                try verify(bytes: Int64(head.count) + bodyBytes)
                // The object is whole: an upload that can't be ended now is left to `reapUploads`.
                if !isShared {
                    sweep(isCancelled)
                } else if state.withLock({ $0.mayHaveOthers }) {
                    onEvent(.lost(key: key))
                }
                state.withLock { state in
                    state.stage = .ended
                    state.confirmed = Int64(head.count) + bodyBytes
                }
                if let uploadID { onEvent(.closed(key: key, id: uploadID)) }
            }
        } catch {
            discard()
            throw error
        }
    }

    /// Fetches the object and hashes it.
    func sha256() throws -> String? {
        let size = state.withLock { $0.stage == .ended && $0.confirmed > 0 ? $0.confirmed : nil }
        guard let size else { return nil }
        return try ObjectHash.sha256(of: key, bytes: size, client, { [sender] in sender.isCancelled }) { [self] count in
            state.withLock { $0.fetched += Int64(count) }
        }
    }

    /// Makes what runs throw `cancelled`.
    func cancel() { sender.cancel() }

    /// Cancels, and throws away what the store has so far. Blocks until that is done, about 35 seconds at most.
    func abort() {
        cancel()
        let deadline = ContinuousClock.now + .seconds(10)
        while state.withLock({ $0.isBusy }), ContinuousClock.now < deadline { Thread.sleep(forTimeInterval: 0.01) }
        discard()
    }

    /// What it has cost.
    var measures: UploadMeasures {
        let (confirmed, fetched) = state.withLock { ($0.confirmed, $0.fetched) }
        return UploadMeasures(
            bytesSent: max(confirmed, sender.confirmedBytes), bytesTransmitted: sender.transmittedBytes,
            bytesFetched: fetched, uploadSeconds: sender.activeSeconds,
            lastRest: client.exchange.rest?.seconds ?? 0)
    }

    // MARK: Sending

    /// Runs the body of a public call, unless the upload is cancelled or over.
    private func use(_ body: () throws -> Void) throws {
        let isOpen = state.withLock { state in
            guard state.stage == .open, !state.isBusy else { return false }
            state.isBusy = true
            return true
        }
        guard isOpen, !sender.isCancelled else {
            if isOpen { state.withLock { $0.isBusy = false } }
            throw StoreExchange.cancelled
        }
        defer { state.withLock { $0.isBusy = false } }
        try body()
    }

    private var isCancelled: @Sendable () -> Bool { { [sender] in sender.isCancelled } }

    /// Takes as much of `rest` as the current part has room for, and gives the part once it is full.
    private func collect(
        _ rest: inout ArraySlice<UInt8>, headLength: Int
    ) throws -> (number: Int, bytes: [UInt8])? {
        try state.withLock { state in
            let layout =
                state.layout
                ?? PartLayout(
                    partBytes: settings.partBytes, headLength: headLength, areEqual: settings.needsEqualParts)
            state.layout = layout
            let present = state.collecting.count + rest.count
            guard
                let size = layout.bytes(
                    ofPart: state.nextPart, bodyLeft: state.bytesToCome.map { Int64(present) + $0 })
            else { throw TransferError(.storageRejected, "\(client.exchange.store) takes no object of so many parts") }
            if state.collecting.isEmpty { state.collecting.reserveCapacity(size) }
            // What is expected changes: a part may turn out to be long enough already.
            let count = max(0, min(rest.count, size - state.collecting.count))
            state.collecting += rest.prefix(count)
            rest = rest.dropFirst(count)
            state.bodyBytes += Int64(count)
            guard state.collecting.count >= size else { return nil }
            defer {
                state.collecting = []
                state.nextPart += 1
            }
            return (state.nextPart, state.collecting)
        }
    }

    private func send(_ number: Int, _ bytes: [UInt8]) throws {
        let uploadID: String
        if let known = state.withLock({ $0.uploadID }) {
            uploadID = known
        } else {
            let created = try sender.measuring { () throws(TransferError) in
                state.withLock { $0.mayHaveOthers = true }
                return try withBucket { () throws(TransferError) in try client.createUpload(key, isCancelled) }
            }
            if case .success(let id) = created.result {
                state.withLock { state in
                    state.uploadID = id
                    state.mayHaveOthers = created.wasUncertain
                }
                onEvent(.opened(key: key, id: id))
            } else if !created.wasUncertain {
                state.withLock { $0.mayHaveOthers = false }
            }
            uploadID = try created.get(client.exchange.store)
        }
        try sender.send(
            S3Part(number: number, bytes: bytes, md5: ETag.md5(bytes), payloadHash: client.payloadHash(bytes)),
            uploadID: uploadID)
    }

    private func finishParts(_ uploadID: String, _ head: [UInt8], _ rest: [UInt8], _ number: Int) throws {
        guard head.count >= PartLayout.smallestPart else {
            throw TransferError(.internal, "the head of a multipart object has to be at least 5 MiB")
        }
        if !rest.isEmpty { try send(number, rest) }
        try send(1, head)
        let parts = try sender.drain()
        let md5s = parts.map { $0.part.md5 }
        let bytes = Int64(head.count) + state.withLock { $0.bodyBytes }
        let completed = try sender.measuring { () throws(TransferError) in
            state.withLock { state in
                state.made = Made { $0.bytes == bytes && ETag($0.etag ?? "").proves(parts: md5s) }
            }
            return try client.completeUpload(key, uploadID, parts, isCancelled)
        }
        guard case .failure(let failure) = completed.result else {
            return state.withLock { state in
                state.made = Made(isCertain: true) { object in
                    let etag = ETag(object.etag ?? "")
                    return !etag.contradicts(parts: md5s) && !(etag.isOfOnePiece && object.bytes != bytes)
                }
            }
        }
        if !completed.wasUncertain { state.withLock { $0.made = nil } }
        // An answer that was lost on the way: the store may have made the object all the same.
        if completed.wasUncertain, failure.reason == "NoSuchUpload" || failure.isUncertain,
            let object = try client.head(key, isCancelled).get(client.exchange.store),
            object.bytes == bytes,
            !ETag(object.etag ?? "").contradicts(parts: md5s),
            try !client.isOpen(key, uploadID, isCancelled).get(client.exchange.store)
        {
            return
        }
        throw failure.error(client.exchange.store)
    }

    private func put(_ bytes: [UInt8]) throws {
        let md5 = ETag.md5(bytes)
        let stored = try sender.measuring { () throws(TransferError) in
            state.withLock { $0.made = Made { ETag($0.etag ?? "").proves(md5: md5) } }
            return try withBucket { () throws(TransferError) in
                try client.put(key, bytes, isCancelled, onSent: sender.onSent)
            }
        }
        guard case .failure(let failure) = stored.result else {
            let count = Int64(bytes.count)
            return state.withLock { $0.made = Made(isCertain: true) { $0.bytes == count } }
        }
        if failure.reason == StorageFailure.wrongChecksum {
            state.withLock { $0.made = Made(isCertain: true) { _ in true } }
        } else if !stored.wasUncertain {
            state.withLock { $0.made = nil }
        } else if let object = try client.head(key, isCancelled).get(client.exchange.store),
            object.bytes == Int64(bytes.count), ETag(object.etag ?? "").proves(md5: md5)
        {
            return
        }
        throw failure.error(client.exchange.store)
    }

    /// Makes the bucket if that is what a first request lacks, and makes the request again.
    private func withBucket<Value>(
        _ request: () throws(TransferError) -> S3Client.Outcome<Value>
    ) throws(TransferError) -> S3Client.Outcome<Value> {
        let first = try request()
        guard case .failure(let failure) = first.result, failure.reason == "NoSuchBucket" else { return first }
        try prepare(isCancelled)
        return try request()
    }

    /// The proof of success: the store has as many bytes as were written.
    private func verify(bytes: Int64) throws {
        let found = try sender.measuring { () throws(TransferError) in try client.head(key, isCancelled) }
        let object = try found.get(client.exchange.store)
        if object?.bytes == bytes { return }
        let has = object.map { "\($0.bytes) bytes" } ?? "nothing"
        throw TransferError(
            .storageUnavailable,
            "\(client.exchange.store) has \(has) of \(location) where \(bytes) bytes were written; try again"
        )
    }

    // MARK: Throwing away

    /// Leaves nothing behind: no exchange, no open upload, no object that may have come to be.
    private func discard() {
        let mine = state.withLock { state -> State? in
            guard state.stage == .open else { return nil }
            state.stage = .discarding
            state.collecting = []
            return state
        }
        guard let mine else {
            while state.withLock({ $0.stage == .discarding }) { Thread.sleep(forTimeInterval: 0.01) }
            return
        }
        sender.cancel()
        sender.waitUntilIdle(seconds: 5)
        let deadline = ContinuousClock.now + .seconds(20)
        let isLate: @Sendable () -> Bool = { ContinuousClock.now >= deadline }
        var made = isShared ? nil : mine.made
        if let uploadID = mine.uploadID {
            // An upload that is open has made nothing, whatever lies there.
            if made?.isCertain == false, let open = try? client.isOpen(key, uploadID, isLate),
                case .success(true) = open.result
            {
                made = nil
            }
            if endUpload(uploadID, isLate) { onEvent(.closed(key: key, id: uploadID)) }
        }
        if !isShared { sweep(isLate) }
        if let made, isThere(made, isLate) { _ = try? client.delete(key, isLate) }
        state.withLock { $0.stage = .ended }
    }

    /// Whether our object lies there. Where it can't be seen, the store's word counts that it made it.
    private func isThere(_ made: Made, _ isLate: @escaping @Sendable () -> Bool) -> Bool {
        guard let found = try? client.head(key, isLate), case .success(let object) = found.result else {
            return made.isCertain
        }
        return object.map(made.isOurs) ?? made.isCertain
    }

    /// Aborts until the store says that nothing is open: a part that was still arriving keeps an upload alive.
    private func endUpload(_ uploadID: String, _ isLate: @escaping @Sendable () -> Bool) -> Bool {
        for round in 0..<5 {
            if round > 0 { StoreExchange.sleep(0.2 * Double(round), isLate) }
            guard let aborted = try? client.abortUpload(key, uploadID, isLate), case .success = aborted.result,
                let open = try? client.isOpen(key, uploadID, isLate)
            else { return false }
            if case .success(false) = open.result { return true }
        }
        return false
    }

    /// Ends uploads of this key whose id got lost with the answer that told it.
    private func sweep(_ isLate: @escaping @Sendable () -> Bool) {
        let (mayHaveOthers, own) = state.withLock { ($0.mayHaveOthers, $0.uploadID) }
        guard mayHaveOthers, let open = try? client.openUploads(prefix: key, isLate).result.get() else { return }
        for upload in open where upload.key == key && upload.id != own { _ = endUpload(upload.id, isLate) }
    }
}
