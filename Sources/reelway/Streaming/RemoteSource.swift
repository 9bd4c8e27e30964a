import Media
import Transfer

/// A download as the engine's source: its bytes are compared with OneDrive's hash before a result becomes visible.
final class RemoteSource: ByteSource {
    private let download: RangedSource

    init(_ download: RangedSource) { self.download = download }

    var name: String { download.name }
    var length: Int64? { download.length }
    var isSeekable: Bool { download.isSeekable }
    var seekRefusal: any Error { download.seekRefusal }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        try download.read(into: &buffer, at: offset)
    }

    /// Where OneDrive has no hash, or much of the file was never needed, there is nothing to compare.
    func verify() throws { _ = try download.verify() }

    /// Ends what is on its way, and lets go of what has been read ahead.
    func close() { download.close() }

    /// Bytes that came over the network.
    var bytesDownloaded: Int64 { download.bytesDownloaded }
    /// Seconds in which something was on its way.
    var downloadSeconds: Double { download.downloadSeconds }
    /// The hash of the bytes that came, once all have.
    var quickXorHash: String? { download.computedQuickXorHash }
}
