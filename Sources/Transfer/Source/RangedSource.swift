/// A file behind an address, read anywhere: bytes are fetched ahead of the reader over more than one connection, broken
/// requests go on where they broke, and what isn't the same file any more is noticed.
///
/// One thread at a time reads, and blocks while it waits: never one of Swift's cooperative threads. `abort` ends its
/// waiting from any thread. What is to be decided, `DownloadState` decides.
public final class RangedSource: Sendable {
    /// How a source fetches.
    public struct Options: Sendable {
        /// Memory for bytes read and ahead, in bytes; at least 1 MiB.
        public var windowBytes: Int64 = 32 << 20
        /// Requests at a time.
        public var connections = 2
        /// When what failed is tried again.
        public var retry = RetryPolicy()
        /// A download that is under way waits for so long, where the server asks for it and no byte comes; in seconds.
        /// OneDrive was seen to ask for 315.
        public var longestHold = 360.0

        /// The defaults.
        public init() {}
    }

    /// Where a file is, and what is known of it beforehand.
    public struct Location: Sendable {
        /// Its address, sent as it is; its query may be a secret.
        public var url: String
        /// For messages.
        public var name: String
        /// In bytes; another length is `source_changed`.
        public var length: Int64?
        /// In base64, checked by `verify`.
        public var quickXorHash: String?
        /// Gives a new address when the old one is refused, after making sure that the file is the same; throws a
        /// `TransferError` where it isn't or can't be had.
        public var renew: (@Sendable () async throws(TransferError) -> String)?
        /// Whether a redirect may lead there; addresses of this machine and its network are refused in any case.
        public var allows: @Sendable (String) -> Bool = { _ in true }

        /// A file with nothing known of it. Its name is the address without query.
        public init(url: String) {
            self.url = url
            name = HTTPAddress.name(url)
        }

        /// Whether its address can be called at all.
        public var isCallable: Bool { HTTPAddress(url) != nil }
    }

    /// So many bytes are progress: failures before and after them are no row.
    static let progressBytes: Int64 = 64 << 10

    /// How messages call it: never with a query.
    public let name: String
    /// In bytes; `nil` where the server doesn't say.
    public let length: Int64?
    /// Whether reads may begin anywhere; otherwise each begins where the last ended.
    public let isSeekable: Bool
    /// What a read is refused with that can't begin where it should.
    public var seekRefusal: TransferError { DownloadState.seekRefusal(name) }

    let download: Download
    private let quickXorHash: String?

    /// Makes the first request: for the first bytes, which also tells length and version.
    ///
    /// Suspends; a cancelled task throws `cancelled`.
    public static func open(
        _ location: Location, client: HTTPClient, options: Options = .init()
    ) async throws(TransferError) -> RangedSource {
        let download = Download(location, client, options)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in download.open { continuation.resume(returning: $0) } }
        } onCancel: {
            download.stop(HTTPTransfer.cancelled)
        }
        let opening = try result.get()
        return RangedSource(download, opening, quickXorHash: location.quickXorHash)
    }

    private init(_ download: Download, _ opening: Download.Opening, quickXorHash: String?) {
        self.download = download
        name = download.name
        length = opening.length
        isSeekable = opening.isSeekable
        self.quickXorHash = quickXorHash
    }

    deinit { close() }

    /// Reads up to `buffer.byteCount` bytes that begin at `offset` into the front of `buffer`.
    ///
    /// - Returns: how many were read; 0 only at the true end.
    /// - Throws: a `TransferError`; once it has thrown, it keeps throwing the same.
    public func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        try buffer.withUnsafeMutableBytes { try download.read(into: $0, at: offset) }
    }

    /// Bytes that came over the network, counted again where they came again.
    public var bytesDownloaded: Int64 { download.received.count }

    /// Goes with the clock while the server has asked for no requests, and stands still otherwise; in seconds. So a download
    /// that waits at a server's wish can be told from one that hangs.
    public var lastHeld: Double { download.lastHeld(now: HTTPTransfer.now()) }

    /// Seconds during which at least one request was under way.
    public var downloadSeconds: Double { download.received.seconds(now: HTTPTransfer.now()) }

    /// The hash over all bytes in base64, once every byte has come.
    public var computedQuickXorHash: String? {
        let received = download.received
        guard let length, received.intervals.gaps(below: length).isEmpty else { return nil }
        return received.hash.digest(length: length)
    }

    /// Compares the bytes that came with the hash known beforehand. Fetches what is missing if that is little, and blocks
    /// meanwhile.
    ///
    /// - Returns: whether the hash was compared: not without one, and not where much of the file was never needed.
    /// - Throws: `source_hash_mismatch`, or what reading throws.
    public func verify() throws -> Bool {
        guard let quickXorHash, let length else { return false }
        let gaps = download.received.intervals.gaps(below: length)
        guard gaps.reduce(0, { $0 + $1.count }) <= 4 << 20 else { return false }
        var scratch = [UInt8](repeating: 0, count: 64 << 10)
        for gap in gaps {
            var offset = gap.lowerBound
            while offset < gap.upperBound {
                let count = try scratch.withUnsafeMutableBytes { try download.read(into: $0, at: offset) }
                guard count > 0 else { return false }
                offset += Int64(count)
            }
        }
        guard let computed = computedQuickXorHash else { return false }
        guard computed == quickXorHash else {
            throw TransferError(
                .sourceHashMismatch, "\(name): the bytes that came are not those that OneDrive has; try again")
        }
        return true
    }

    /// Ends the download from any thread; a waiting or later `read` throws `cancelled`.
    public func abort() { download.stop(HTTPTransfer.cancelled) }

    /// Ends the download and frees its memory.
    public func close() { download.close() }
}
