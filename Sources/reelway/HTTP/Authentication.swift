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
        } else if request.method != .get, let origin = request.headers[.origin], !origins.contains(origin) {
            // Without a token, any page the user looks at could post to loopback.
            throw APIError(
                .forbidden, "unauthorized", "pages of \(origin.prefix(100)) may not change anything here")
        }
        return try await next(request, context)
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
