import HTTPTypes
import Hummingbird

/// Lets pages of the configured origins call the service (CORS), and answers their browsers' preflights.
struct CrossOrigin: RouterMiddleware {
    typealias Context = APIContext

    let origins: Set<String>
    let endpoints: [Endpoint]

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard !origins.isEmpty else { return try await next(request, context) }
        let origin = request.headers[.origin].flatMap { origins.contains($0) ? $0 : nil }
        var response: Response
        if origin != nil, request.method == .options, request.headers[.accessControlRequestMethod] != nil {
            response = preflight(request)
        } else {
            response = try await next(request, context)
        }
        // A cache must not hand one origin's answer to another.
        response.headers[values: .vary].append("Origin")
        if let origin {
            response.headers[.accessControlAllowOrigin] = origin
            response.headers[.accessControlExposeHeaders] = "x-request-id, retry-after"
        }
        return response
    }

    private func preflight(_ request: Request) -> Response {
        let methods = Endpoint.methods(at: request.uri.path, in: endpoints)
        return Response(
            status: .noContent,
            headers: [
                .accessControlAllowMethods: methods.map(\.rawValue).joined(separator: ", "),
                .accessControlAllowHeaders: "authorization, content-type, last-event-id, x-request-id",
                .accessControlMaxAge: "600",
            ])
    }
}
