import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// The HTTP side of the service.
///
/// ```
/// connection ─▶ ConnectionLimits ─▶ RequestLog ─▶ CrossOrigin ─▶ ErrorAnswers ─▶ Authentication ─▶ Endpoint ─▶ JobStore
///               slow, or no HTTP     id, metrics   browsers       all as JSON     bearer token
/// ```
struct HTTPService {
    let settings: ServerSettings
    let store: JobStore
    let watch: VideoWatch
    let metrics: Metrics
    let readiness: Readiness
    /// The folder that is served under `/media/`, where finished videos are kept in one.
    let mediaFolder: String?
    var limits = ConnectionLimits.Limits()
    /// Silence after which a stream of events gets a comment.
    var heartbeat: Duration = .seconds(15)
    let logger: Logger
    /// Has a worker of this process look at the queue at once.
    let wake: @Sendable () -> Void

    /// All that is served.
    var endpoints: [Endpoint] {
        TranscodeRoutes(store: store, wake: wake).endpoints
            + VideoRoutes(store: store, watch: watch, wake: wake).endpoints
            + EventStream(
                store: store, watch: watch, metrics: metrics, most: limits.streams, heartbeat: heartbeat
            ).endpoints
            + OperationsRoutes(store: store, metrics: metrics, readiness: readiness).endpoints
            + (mediaFolder.map { MediaFiles(folder: $0).endpoints } ?? [])
    }

    /// The server, not yet listening.
    ///
    /// - Parameter listening: is told the address once it listens.
    func application(
        listening: @escaping @Sendable (SocketAddress?) -> Void = { _ in }
    ) -> Application<RouterResponder<APIContext>> {
        let endpoints = endpoints
        // Whoever serves GET serves HEAD (RFC 9110, section 9.1); probes ask so.
        let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: RequestLog(metrics: metrics))
        router.add(middleware: CrossOrigin(origins: Set(settings.origins), endpoints: endpoints))
        router.add(middleware: ErrorAnswers(endpoints: endpoints))
        router.add(middleware: Authentication(token: settings.token, origins: settings.origins, endpoints: endpoints))
        for endpoint in endpoints {
            router.on(RouterPath(endpoint.path), method: endpoint.method, use: endpoint.handle)
        }
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
            maxHeaderFieldCount: limits.headerFields)
        return Application(
            responder: router.buildResponder(),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ConnectionLimits(limits)], idleTimeout: limits.idle,
                    httpDecoderConfiguration: decoder)),
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port), backlog: 512,
                availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
            onServerRunning: { listening($0.localAddress) },
            logger: logger)
    }
}
