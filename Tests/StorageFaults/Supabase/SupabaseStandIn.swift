public import LoopbackHTTP
import NIOCore
import Synchronization

/// Supabase Storage's rules in front of real stores: who may, what is refused, and how it is said.
///
/// ```
///                       ┌─▶ SupabaseS3    SigV4 with session token verified ─▶ signed anew ─▶ ObjectBackend (S3 store)
/// client ─▶ JWT, routes ┼─▶ SupabaseREST  buckets, objects; refusals as HTTP 400 ──────────▶ ObjectBackend
///                       └─▶ SupabaseTUS   metadata, x-upsert ─▶ a tus server; when complete ─▶ ObjectBackend
/// ```
public final class SupabaseStandIn: Sendable {
    /// How the project is set up.
    public struct Options: Sendable {
        /// The project's id: the S3 access key. A self-hosted project's is `stub` unless its operator says otherwise.
        public var tenant = "stub"
        /// The project's limit for one file, in bytes: 50 MiB by default where self-hosted.
        public var fileSizeLimit: Int64 = 52_428_800
        /// Whether parts' ETags come without quotes, as from the file backend.
        public var unquotedETags = true

        /// A self-hosted project's ways.
        public init() {}
    }

    /// `http://127.0.0.1:PORT`, for SUPABASE_URL.
    public let url: String
    /// The project's keys.
    public let keys: SupabaseKeys

    private let server: LoopbackServer
    private let journal: Journal

    /// Starts one; it runs until `stop`.
    ///
    /// - Parameters:
    ///   - store: A real S3 store, `http://127.0.0.1:PORT`, and its keys.
    ///   - tus: Where a real tus server creates uploads, with downloads enabled.
    /// - Throws: When an address isn't one, or no port can be had.
    public static func start(
        store: String, accessKey: String, secretKey: String, tus: String, options: Options = Options()
    ) async throws -> SupabaseStandIn {
        let keys = SupabaseKeys()
        let journal = Journal()
        let backend = ObjectBackend(store: try Upstream(store), accessKey: accessKey, secretKey: secretKey)
        let buckets = SupabaseBuckets(limit: options.fileSizeLimit)
        let rest = SupabaseREST(keys: keys, buckets: buckets, backend: backend)
        let s3 = SupabaseS3(keys: keys, buckets: buckets, backend: backend, options: options)
        let uploads = try SupabaseTUS(keys: keys, buckets: buckets, backend: backend, server: tus)
        let server = try await LoopbackServer.start(journal: journal) { exchange in
            let path = exchange.request.path
            if path.hasPrefix("/storage/v1/s3/") {
                try await s3.answer(exchange)
            } else if path.hasPrefix("/storage/v1/upload/resumable") {
                try await uploads.answer(exchange)
            } else {
                try await rest.answer(exchange)
            }
        }
        return SupabaseStandIn(server, keys, journal)
    }

    private init(_ server: LoopbackServer, _ keys: SupabaseKeys, _ journal: Journal) {
        self.server = server
        self.keys = keys
        self.journal = journal
        url = "http://127.0.0.1:\(server.port)"
    }

    /// Stops listening and drops all connections.
    public func stop() async { await server.stop() }

    /// All requests so far, in the order of arrival.
    public var requests: [RecordedRequest] { journal.requests }
}

/// The buckets' properties, which an S3 store has no place for.
final class SupabaseBuckets: Sendable {
    struct Bucket: Sendable {
        var isPublic = false
        var fileSizeLimit: Int64?
        var types: [String]?
    }

    private let state = Mutex((buckets: [String: Bucket](), received: [String: Int64]()))
    /// The project's own limit.
    let limit: Int64

    init(limit: Int64) { self.limit = limit }

    subscript(name: String) -> Bucket? {
        get { state.withLock { $0.buckets[name] } }
        set { state.withLock { $0.buckets[name] = newValue } }
    }

    func limit(of bucket: String) -> Int64 { min(limit, self[bucket]?.fileSizeLimit ?? .max) }

    func takes(_ type: String?, in bucket: String) -> Bool {
        guard let types = self[bucket]?.types else { return true }
        return types.contains(type ?? "application/octet-stream")
    }

    /// Adds a part's bytes to what an upload has received; a repeated part counts again.
    func receive(_ bytes: Int64, upload: String) -> Int64 {
        state.withLock {
            $0.received[upload, default: 0] += bytes
            return $0.received[upload, default: 0]
        }
    }
}
