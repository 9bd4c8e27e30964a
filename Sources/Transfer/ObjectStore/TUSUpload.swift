internal import Crypto
internal import Foundation
internal import Synchronization

//  write ─▶ SpoolFile (no name) ─┐
//  finish(head) ─────────────────┴▶ create ─▶ PATCH 6 MiB ─▶ PATCH … ─▶ HEAD of the object: is it all there?
//                                      ▲          │ fails: HEAD of the upload says where to go on
//                                      └──────────┘ the server has forgotten the upload

/// One object on its way into a store that takes bytes only in their order: the body waits on the disk for the head.
///
/// The wait costs the time of the whole upload after the last frame, and a temporary file of the body's size; an S3
/// store costs neither.
final class TUSUpload: ObjectUpload {
    /// `supabase://BUCKET/KEY`.
    let location: String
    private let isShared: Bool
    private let target: Target
    private let policy: RetryPolicy
    private let spool: SpoolFile
    private let rest = StoreRest()
    private let state = Mutex(State())

    /// Supabase says that chunks have to have this size.
    static let chunkBytes = 6 << 20
    /// So often the server may forget an upload before we give up.
    private static let mostRestarts = 3
    /// So often we ask for the object of an upload that has all its bytes before we begin another.
    private static let mostQuestions = 2

    /// What the upload goes to.
    struct Target: Sendable {
        let client: TUSClient
        /// Names the store, for messages.
        let store: String
        /// What the upload is created with.
        let metadata: [(name: String, value: String)]
        /// Makes the bucket, where that is what creating an upload lacks.
        let prepare: @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Void
        /// The size of the finished object, `nil` where there is none.
        let storedBytes: @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Int64?
        /// Deletes the finished object.
        let delete: @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Void
    }

    private struct State {
        var isCancelled = false
        var isBusy = false
        var isOver = false
        /// Set once all bytes may have arrived, so that there may be an object.
        var made: Made?
        var upload: String?
        var sent: Int64 = 0
        var transmitted: Int64 = 0
        var seconds = 0.0
        var hash: String?
    }

    private struct Made {
        /// Its size.
        let bytes: Int64
        /// Whether the server has said so. If not, what lies there may be from before.
        var isCertain = false
    }

    init(location: String, isShared: Bool, target: Target, policy: RetryPolicy, folder: String) throws {
        self.location = location
        self.isShared = isShared
        self.target = target
        self.policy = policy
        spool = try SpoolFile(folder: folder)
    }

    /// Puts the next bytes of the body on the disk.
    func write(_ bytes: [UInt8], headLength: Int) throws {
        try use { try spool.append(bytes) }
    }

    /// Sends head and body, and asks the store whether it has it all.
    func finish(head: [UInt8]) throws {
        do {
            try use {
                let start = ContinuousClock.now
                defer { state.withLock { $0.seconds = (.now - start) / .seconds(1) } }
                try send(head)
                let total = Int64(head.count) + spool.bytes
                let stored = try target.storedBytes(isCancelled)
                guard stored == total else {
                    let has = stored.map { "\($0) bytes" } ?? "nothing"
                    throw TransferError(
                        .storageUnavailable,
                        "\(target.store) has \(has) of \(location) where \(total) bytes were written; try again")
                }
                let hash = try hash(head)
                state.withLock { state in
                    state.isOver = true
                    state.hash = hash
                }
                spool.end()
            }
        } catch {
            discard()
            throw error
        }
    }

    /// Of what was sent, which the disk had.
    func sha256() throws -> String? { state.withLock { $0.hash } }

    /// Makes what runs throw `cancelled`.
    func cancel() { state.withLock { $0.isCancelled = true } }

    /// Cancels, and throws away what the store and the disk have so far.
    func abort() {
        cancel()
        let deadline = ContinuousClock.now + .seconds(10)
        while state.withLock({ $0.isBusy }), ContinuousClock.now < deadline { Thread.sleep(forTimeInterval: 0.01) }
        discard()
    }

    /// What it has cost.
    var measures: UploadMeasures {
        let (sent, transmitted, seconds) = state.withLock { ($0.sent, $0.transmitted, $0.seconds) }
        return UploadMeasures(
            bytesSent: sent, bytesTransmitted: transmitted, uploadSeconds: seconds, lastRest: rest.seconds,
            temporaryBytes: spool.bytes)
    }

    private var isCancelled: @Sendable () -> Bool { { [self] in state.withLock { $0.isCancelled } } }

    private func use(_ body: () throws -> Void) throws {
        let isOpen = state.withLock { state in
            guard !state.isOver, !state.isBusy, !state.isCancelled else { return false }
            state.isBusy = true
            return true
        }
        guard isOpen else { throw StoreExchange.cancelled }
        defer { state.withLock { $0.isBusy = false } }
        try body()
    }

    /// Sends everything, from wherever the server says that it got to.
    private func send(_ head: [UInt8]) throws {
        let total = Int64(head.count) + spool.bytes
        var offset: Int64? = 0
        // Of this upload: to be told once more how far it got is no progress.
        var furthest: Int64 = 0
        var failures = StoreFailures()
        var restarts = 0
        while true {
            let wasAsked = offset == nil
            var answer = try step(head, total, offset)
            if case .success(total) = answer {
                // The server answers a last chunk once the object is there. Where that answer was lost, the object may
                // still be on its way, or have failed for good.
                if try !wasAsked || isStored(total) {
                    return state.withLock { state in
                        state.sent = total
                        state.made?.isCertain = !wasAsked
                    }
                }
                answer = .failure(StorageFailure(unfinished: ()))
            }
            switch answer {
            case .success(let reached):
                if reached > furthest { (furthest, failures) = (reached, StoreFailures()) }
                offset = reached
                state.withLock { $0.sent = reached }
            case .failure(let failure):
                // A server forgets what it has finished, or refuses more of it: then the answer that said so was lost.
                if !failure.isUnfinished, !failure.isTransient, try isStored(total) {
                    return state.withLock { $0.sent = total }
                }
                let isGone =
                    hasForgotten(failure) || (failure.isUnfinished && failures.count >= TUSUpload.mostQuestions)
                if isGone {
                    restarts += 1
                    guard restarts <= TUSUpload.mostRestarts else {
                        throw TransferError(
                            .storageUnavailable, "\(target.store) loses each upload before it is whole; try again")
                    }
                    state.withLock { $0.upload = nil }
                    furthest = 0
                }
                offset = state.withLock { $0.upload } == nil ? 0 : nil
                guard let pause = failures.pause(after: failure, as: isGone ? .damage : nil, policy, rest) else {
                    throw failure.error(target.store)
                }
                StoreExchange.sleep(pause, isCancelled)
            }
        }
    }

    /// Whether the object is there and whole; asked only if all of it may have arrived.
    private func isStored(_ total: Int64) throws -> Bool {
        guard state.withLock({ $0.made }) != nil else { return false }
        return try target.storedBytes(isCancelled) == total
    }

    /// Creates the upload, asks where it stands, or sends the next chunk; gives the offset that is reached.
    private func step(
        _ head: [UInt8], _ total: Int64, _ offset: Int64?
    ) throws -> TUSClient.Answer<Int64> {
        if isCancelled() { throw StoreExchange.cancelled }
        guard let upload = state.withLock({ $0.upload }) else {
            var created = try target.client.create(bytes: total, metadata: target.metadata, isCancelled)
            if case .failure(let failure) = created, failure.status == 404 {
                try target.prepare(isCancelled)
                created = try target.client.create(bytes: total, metadata: target.metadata, isCancelled)
            }
            return created.map { url in
                state.withLock { $0.upload = url }
                return 0
            }
        }
        guard let offset else { return try target.client.offset(upload, isCancelled) }
        guard offset <= total else {
            throw TransferError(.storageUnavailable, "\(target.store) has more bytes than were sent; try again")
        }
        let chunk = try bytes(head, at: offset, count: Int(min(Int64(TUSUpload.chunkBytes), total - offset)))
        if offset + Int64(chunk.count) == total { state.withLock { $0.made = Made(bytes: total) } }
        return try target.client.append(upload, chunk, at: offset, isCancelled) { [self] count in
            state.withLock { $0.transmitted += Int64(count) }
        }
    }

    /// Bytes of the finished file: the head in memory, behind it the body on the disk.
    private func bytes(_ head: [UInt8], at offset: Int64, count: Int) throws -> [UInt8] {
        let fromHead = offset < Int64(head.count) ? Array(head[Int(offset)...].prefix(count)) : []
        if fromHead.count == count { return fromHead }
        let start = max(offset - Int64(head.count), 0)
        return fromHead + (try spool.read(at: start, count: count - fromHead.count))
    }

    private func hash(_ head: [UInt8]) throws -> String {
        var hash = SHA256()
        hash.update(data: head)
        let step = Int64(1 << 20)
        for offset in stride(from: 0, to: spool.bytes, by: Int(step)) {
            hash.update(data: try spool.read(at: offset, count: Int(min(step, spool.bytes - offset))))
        }
        return Hexadecimal.string(hash.finalize())
    }

    /// The server knows the upload no more: 404, 410, or the 400 that Supabase answers to a HEAD.
    private func hasForgotten(_ failure: StorageFailure) -> Bool {
        guard state.withLock({ $0.upload }) != nil else { return false }
        return [404, 410].contains(failure.status) || (failure.status == 400 && failure.reason.isEmpty)
    }

    private func discard() {
        let mine = state.withLock { state -> State? in
            guard !state.isOver else { return nil }
            state.isOver = true
            return state
        }
        guard let mine else { return }
        spool.end()
        let deadline = ContinuousClock.now + .seconds(20)
        let isLate: @Sendable () -> Bool = { ContinuousClock.now >= deadline }
        var made = isShared ? nil : mine.made
        if let upload = mine.upload {
            // An upload that lacks bytes has made nothing, whatever lies there.
            if let uncertain = made, !uncertain.isCertain,
                case .success(let reached)? = try? target.client.offset(upload, isLate), reached < uncertain.bytes
            {
                made = nil
            }
            for attempt in 1...4 {
                guard let answer = try? target.client.terminate(upload, isLate), case .failure(let failure) = answer,
                    failure.isTransient
                else { break }
                StoreExchange.sleep(0.25 * Double(attempt), isLate)
            }
        }
        if let made, made.isCertain || (try? target.storedBytes(isLate)) == made.bytes { try? target.delete(isLate) }
    }
}
