import Media
import Transfer

/// A download as the engine's source: its bytes are compared with OneDrive's hash before a result becomes visible.
final class RemoteSource: ByteSource {
    private let download: RangedSource
    /// Whether `verify` could compare the hash.
    private(set) var isVerified = false

    init(_ download: RangedSource) { self.download = download }

    deinit { download.close() }

    var name: String { download.name }
    var length: Int64? { download.length }
    var isSeekable: Bool { download.isSeekable }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        try download.read(into: &buffer, at: offset)
    }

    func verify() throws { isVerified = try download.verify() }

    /// Bytes that came over the network.
    var bytesDownloaded: Int64 { download.bytesDownloaded }
    /// Seconds in which something was on its way.
    var downloadSeconds: Double { download.downloadSeconds }
    /// The hash of the bytes that came, once all have.
    var quickXorHash: String? { download.computedQuickXorHash }
}
