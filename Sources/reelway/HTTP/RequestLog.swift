import HTTPTypes
import Hummingbird
import Logging

/// Gives each request its identity, one line in the log and its place in the metrics.
struct RequestLog: RouterMiddleware {
    typealias Context = APIContext

    let metrics: Metrics

    /// Asked for every few seconds by machines: not worth a line each.
    private static let quiet: Set<String> = ["/healthz", "/readyz", "/metrics"]

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let clock = ContinuousClock()
        let begun = clock.now
        var context = context
        context.identify(as: request.headers[named: Self.header])
        var response = try await next(request, context)
        response.headers[named: Self.header] = context.requestID
        let seconds = (clock.now - begun) / .seconds(1)
        let path = context.endpointPath
        // A path or a method that isn't served is the caller's invention: no label, and no end of them.
        let route = path.flatMap { $0 == Self.unknown ? nil : $0 } ?? "other"
        let method = Self.methods.contains(request.method) ? request.method.rawValue : "other"
        metrics.answered(route: route, method: method, status: response.status.code, seconds: seconds)
        context.logger.log(
            level: Self.quiet.contains(route) ? .debug : .info,
            "\(request.method.rawValue) \(request.uri.path.prefix(200)) \(response.status.code)",
            metadata: ["ms": "\(Text.short(seconds * 1000))"])
        return response
    }

    /// Names one request in the logs of all who took part in it.
    private static let header = "x-request-id"
    /// What Hummingbird calls a path without a route.
    private static let unknown = "NotFound"
    private static let methods: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .patch, .delete, .options]
}

extension HTTPFields {
    /// A header whose name the library doesn't know.
    subscript(named name: String) -> String? {
        get { HTTPField.Name(name).flatMap { self[$0] } }
        set { if let name = HTTPField.Name(name) { self[name] = newValue } }
    }
}
