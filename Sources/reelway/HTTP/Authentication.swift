import HTTPTypes
import Hummingbird

/// Lets nobody through without the token, but for the endpoints that are open.
struct Authentication: RouterMiddleware {
    typealias Context = APIContext

    private let token: [UInt8]?
    private let openPaths: Set<String>
    private let origins: Set<String>

    /// - Parameter token: `nil` only on loopback (`ServerSettings` sees to that).
    init(token: Secret?, origins: [String], endpoints: [Endpoint]) {
        self.token = token.map { Array($0.revealed.utf8) }
        self.origins = Set(origins)
        openPaths = Set(endpoints.filter { $0.access == .open }.map(\.path))
    }

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        if let path = context.endpointPath, openPaths.contains(path) { return try await next(request, context) }
        if let token {
            guard let given = Self.bearer(request.headers[.authorization]), Self.isEqual(given, token) else {
                throw APIError.unauthorized
            }
        } else {
            try refusePages(request)
        }
        return try await next(request, context)
    }

    /// Without a token, any page that a browser of this machine shows could send requests to loopback. Some of them change
    /// the queue, GET /videos/{id}/social-ready too, and a name that a stranger lets point to this machine makes its pages
    /// readers.
    private func refusePages(_ request: Request) throws {
        if let authority = request.head.authority, !Self.isLoopback(authority) {
            throw APIError(
                .forbidden, "unauthorized",
                "without REELWAY_API_TOKEN only this machine is served, by the name localhost; set a token")
        }
        let origin = request.headers[.origin]
        if let origin, origins.contains(origin) { return }
        guard request.method == .get || origin == nil, request.headers[named: "sec-fetch-site"] != "cross-site" else {
            let page = origin.map { "pages of \($0.prefix(100))" } ?? "pages of other sites"
            throw APIError(.forbidden, "unauthorized", "\(page) may not call without a token; see REELWAY_CORS_ORIGINS")
        }
    }

    /// Whether a Host header names this machine; its port doesn't matter.
    private static func isLoopback(_ authority: String) -> Bool {
        let host =
            authority.hasPrefix("[") ? authority.prefix { $0 != "]" }.dropFirst() : authority.prefix { $0 != ":" }
        return ServerSettings.isLoopback(host.lowercased())
    }

    /// The token of an Authorization header (RFC 6750: the scheme's case doesn't matter).
    static func bearer(_ header: String?) -> [UInt8]? {
        guard let header else { return nil }
        let parts = header.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return Array(parts[1].utf8)
    }

    /// Takes as long for a wrong token as for the right one: the time depends on the length of what was given alone.
    static func isEqual(_ given: [UInt8], _ expected: [UInt8]) -> Bool {
        guard !expected.isEmpty else { return false }
        var difference = given.count ^ expected.count
        for (index, byte) in given.enumerated() { difference |= Int(byte ^ expected[index % expected.count]) }
        return difference == 0
    }
}
