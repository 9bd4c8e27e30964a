//  prepare() ─ once ─▶ bucket there, public
//  upload(key) ─▶ ObjectUpload ── write… ──▶ body leaves while the encoder runs
//                              ── finish ──▶ head leaves last, the stored size is checked: only then is there an object
//                              ── abort  ──▶ nothing is left, not even an open upload

/// A place that keeps finished videos under a key and serves them at an address.
///
/// Calls block, so none belongs on Swift's cooperative threads; each ends with `cancelled` within a second of
/// `isCancelled` becoming true. They throw `TransferError` with `storage_auth`, `storage_rejected` or
/// `storage_unavailable`, the last after the retries that the store's policy allows.
public protocol ObjectStore: Sendable {
    /// Names the store and its bucket, for messages.
    var description: String { get }

    /// Makes sure that the bucket is there and that its objects can be read by anyone, as far as the store allows.
    func prepare(isCancelled: @escaping @Sendable () -> Bool) throws

    /// Begins an object. Nothing is sent yet. Throws `storage_rejected` for a key that can't name an object.
    ///
    /// - Parameters:
    ///   - isShared: whether others may write the same key. What lies there may then be theirs, even if it is the same
    ///     byte for byte, and so may an upload that is open there: one ends what it knows by its id, and leaves the
    ///     rest to who knows.
    ///   - onEvent: told of uploads that the store keeps open until they are ended, so that a dead worker's can be
    ///     found; called on the threads that use the upload, must not block for long.
    func upload(
        key: String, isShared: Bool, onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) throws -> any ObjectUpload

    /// The object under a key, `nil` where there is none.
    func head(key: String, isCancelled: @escaping @Sendable () -> Bool) throws -> StoredObject?

    /// Deletes an object; that there is none is no error.
    func delete(key: String, isCancelled: @escaping @Sendable () -> Bool) throws

    /// Ends all uploads under a prefix that were never finished. Only for keys that nobody writes any more: when an upload
    /// was begun, the store's clock says, and that may be any.
    ///
    /// - Returns: how many.
    @discardableResult
    func reapUploads(prefix: String, isCancelled: @escaping @Sendable () -> Bool) throws -> Int

    /// Ends one upload that was announced as opened; that it is over already is no error.
    func abortUpload(key: String, id: String, isCancelled: @escaping @Sendable () -> Bool) throws

    /// Where anyone can fetch an object.
    func publicURL(key: String) -> String

    /// Creates, writes, reads and deletes a small object.
    func probe(isCancelled: @escaping @Sendable () -> Bool) throws -> StoreProbe
}

extension ObjectStore {
    /// Begins an object that is nobody else's.
    public func upload(
        key: String, onEvent: @escaping @Sendable (UploadEvent) -> Void
    ) throws -> any ObjectUpload {
        try upload(key: key, isShared: false, onEvent: onEvent)
    }
}

/// An object that a store has.
public struct StoredObject: Sendable, Equatable {
    /// Its whole key.
    public var key: String
    /// Its size in bytes.
    public var bytes: Int64
    /// The store's tag of its content, where it gives one.
    public var etag: String?

    /// Makes a description of an object.
    public init(key: String, bytes: Int64, etag: String? = nil) {
        self.key = key
        self.bytes = bytes
        self.etag = etag
    }
}

/// An upload that the store keeps open.
public enum UploadEvent: Sendable, Equatable {
    /// It has this id now and is to be ended.
    case opened(key: String, id: String)
    /// It is ended: completed or thrown away.
    case closed(key: String, id: String)
    /// The object is whole. Besides it an upload of the same key may be open whose id got lost with the store's answer; of
    /// a key that is shared it can't be told from another's.
    case lost(key: String)
}

/// One object on its way into a store, in the order in which a fast-start file is made: body first, head last.
///
/// One thread writes and finishes. `cancel` and `abort` may be called from any thread.
public protocol ObjectUpload: AnyObject, Sendable {
    /// `s3://BUCKET/KEY` or `supabase://BUCKET/KEY`.
    var location: String { get }

    /// Takes the next bytes of the body; blocks while as much is on its way as memory allows.
    ///
    /// - Parameter headLength: the head's size in bytes, the same in every call; at least 5 MiB.
    func write(_ bytes: [UInt8], headLength: Int) throws

    /// Says, before a `write`, about how many bytes of body come after what it brings. Without it all parts are as planned.
    func expect(bytesToCome: Int64)

    /// Takes the head, and returns when the store has the whole object. If it throws, nothing is left in the store, but what
    /// may be another's.
    func finish(head: [UInt8]) throws

    /// SHA-256 of the stored object in hexadecimal; `nil` before `finish` has returned. An S3 store's is fetched for it:
    /// the first bytes are the last that come to be.
    func sha256() throws -> String?

    /// Makes a blocked or later `write` or `finish` throw `cancelled` within a second. The rest is `abort`'s.
    func cancel()

    /// Cancels and throws everything away, in the store too. Does nothing after `finish` has returned.
    func abort()

    /// What the upload has cost so far.
    var measures: UploadMeasures { get }
}

extension ObjectUpload {
    /// Only who sends parts while the body grows cares.
    public func expect(bytesToCome: Int64) {}
}

/// What an upload has cost.
public struct UploadMeasures: Sendable, Equatable {
    /// Bytes of the object that the store has confirmed.
    public var bytesSent: Int64 = 0
    /// Bytes of the object that have left for the store, counted again where they were sent again: on a slow line they
    /// move long before a part is confirmed.
    public var bytesTransmitted: Int64 = 0
    /// Bytes of the stored object that were fetched to hash it.
    public var bytesFetched: Int64 = 0
    /// Time in which something was on its way, in seconds.
    public var uploadSeconds: Double = 0
    /// Goes with the clock while the store has asked to be left alone, and stands still otherwise; in seconds. So an upload
    /// that waits at its store's wish can be told from one that hangs.
    public var lastRest: Double = 0
    /// Bytes that went to the local disk in between.
    public var temporaryBytes: Int64 = 0

    /// Makes measures; by default nothing was sent yet.
    public init(
        bytesSent: Int64 = 0, bytesTransmitted: Int64 = 0, bytesFetched: Int64 = 0, uploadSeconds: Double = 0,
        lastRest: Double = 0, temporaryBytes: Int64 = 0
    ) {
        self.bytesSent = bytesSent
        self.bytesTransmitted = bytesTransmitted
        self.bytesFetched = bytesFetched
        self.uploadSeconds = uploadSeconds
        self.lastRest = lastRest
        self.temporaryBytes = temporaryBytes
    }
}
