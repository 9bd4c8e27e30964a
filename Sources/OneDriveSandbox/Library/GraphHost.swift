import Foundation
import LoopbackHTTP
import NIOCore
import Synchronization

/// Microsoft Graph v1.0 and the token endpoint, as far as reading a drive goes.
final class GraphHost: Sendable {
    private typealias JSON = [String: any Sendable]

    private let folder: Folder
    private let options: SandboxOptions
    private let faults: FaultQueue
    private let downloads: DownloadHost
    private let latency: Latency
    private let tokens: Mutex<TokenBook>

    init(
        _ folder: Folder, _ options: SandboxOptions, _ faults: FaultQueue, _ downloads: DownloadHost, _ latency: Latency
    ) {
        self.folder = folder
        self.options = options
        self.faults = faults
        self.downloads = downloads
        self.latency = latency
        tokens = Mutex(TokenBook(options))
    }

    var refreshToken: String { tokens.withLock { $0.refreshToken } }

    func accessToken(_ kind: TokenBook.Kind, lifetime: Duration) -> String {
        tokens.withLock { $0.accessToken(kind, lifetime: lifetime) }
    }

    func revokeTokens(refreshTokens: Bool) { tokens.withLock { $0.revoke(refreshTokens: refreshTokens) } }

    func answer(_ exchange: Exchange) async throws {
        try await latency.pass()
        if exchange.request.path.hasSuffix("/oauth2/v2.0/token") {
            try await answerToken(exchange)
        } else {
            try await answerGraph(exchange)
        }
    }

    // MARK: The token endpoint

    private func answerToken(_ exchange: Exchange) async throws {
        let request = exchange.request
        let body = String(buffer: try await exchange.receiveAll())
        let replacements = faults.replacements
        let fault = faults.next(.init(endpoint: .token, method: request.method))
        exchange.note { $0.fault = fault?.name }
        if try await play(fault, replacements, on: exchange) { return }
        var answer: TokenBook.Answer
        switch fault {
        case .tokenError(let code):
            answer = TokenBook.error(code, code == "invalid_grant" ? 50173 : 50000, "The sandbox was told to refuse.")
        case .status(let status, _):
            answer = TokenBook.error("temporarily_unavailable", 90033, "A transient error has occurred.")
            answer.status = status
        default:
            guard request.method == "POST" else {
                answer = TokenBook.error("invalid_request", 900561, "The endpoint only accepts POST requests.")
                break
            }
            guard request["Content-Type"]?.hasPrefix("application/x-www-form-urlencoded") == true else {
                answer = TokenBook.error(
                    "invalid_request", 900144, "The request body must contain the parameter 'grant_type'.")
                break
            }
            let tenant = request.path.split(separator: "/").first.map(String.init) ?? ""
            answer = tokens.withLock { $0.grant(tenant: tenant, form: TokenBook.form(body)) }
        }
        var headers = [(name: "Cache-Control", value: "no-store, no-cache")]
        if case .status(_, let seconds?) = fault { headers.append(("Retry-After", String(seconds))) }
        try await send(answer.json, status: answer.status, headers: headers, on: exchange)
    }

    // MARK: Graph

    private func answerGraph(_ exchange: Exchange) async throws {
        let request = exchange.request
        let route = GraphRoute(path: request.path)
        let item = route.flatMap(item(of:))
        let replacements = faults.replacements
        let fault = route.flatMap {
            faults.next(
                .init(
                    endpoint: $0.endpoint, method: request.method, item: item.map { ($0.name, $0.id) }))
        }
        exchange.note {
            $0.subject = item?.name
            $0.fault = fault?.name
        }
        if try await play(fault, replacements, on: exchange) { return }
        if case .status(let status, let retryAfter) = fault {
            let code = Self.errorCode(for: status)
            return try await refuse(exchange, status, code, "The sandbox was told to refuse.", retryAfter: retryAfter)
        }

        let kind: TokenBook.Kind
        do {
            kind = try tokens.withLock { tokens throws(TokenBook.Refusal) in
                try tokens.kind(ofAuthorization: request["Authorization"])
            }
        } catch {
            let sentence =
                switch error {
                case .missing: "Access token is empty."
                case .unknown: "IDX14100: JWT is not well formed, there are no dots (.)."
                case .expired: "Lifetime validation failed, the token is expired."
                }
            return try await refuse(exchange, 401, "InvalidAuthenticationToken", sentence)
        }
        guard let route else {
            return try await refuse(exchange, 400, "BadRequest", "Resource not found for the segment.")
        }
        guard request.method == "GET" else {
            return try await refuse(exchange, 405, "Request_BadRequest", "Specified HTTP method is not allowed.")
        }
        switch route.drive {
        case .me where kind == .application:
            return try await refuse(
                exchange, 400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        case .drive(let id) where id.lowercased() != Item.drive.lowercased():
            return try await refuse(exchange, 404, "itemNotFound", "The resource could not be found.")
        case .user(let user) where user != options.user:
            return try await refuse(exchange, 404, "Request_ResourceNotFound", "Resource '\(user)' does not exist.")
        default: break
        }
        switch route {
        case .drive:
            try await send(["id": Item.drive, "driveType": "personal"], on: exchange)
        case .children:
            var children: [JSON] = []
            for item in folder.items { children.append(try await properties(of: item)) }
            try await send(["value": children], on: exchange)
        case .item, .content:
            guard let item else {
                return try await refuse(exchange, 404, "itemNotFound", "The resource could not be found.")
            }
            if let known = request["If-None-Match"], known == item.eTag || known == item.cTag {
                return try await exchange.answer(status: 304)
            }
            if case .content = route {
                let target = downloads.issueURL(for: item)
                return try await exchange.answer(status: 302, headers: [("Location", target)])
            }
            try await send(try await properties(of: item, fault: fault), on: exchange)
        }
    }

    private func item(of route: GraphRoute) -> Item? {
        switch route {
        case .item(_, .id(let id)), .content(_, .id(let id)): folder.item(id: id)
        case .item(_, .name(let name)), .content(_, .name(let name)): folder.item(named: name)
        default: nil
        }
    }

    private func properties(of item: Item, fault: Fault.Action? = nil) async throws -> JSON {
        var file: JSON = ["mimeType": "video/mp4"]
        if options.publishesHashes {
            file["hashes"] = ["quickXorHash": try await folder.quickXorHash(of: item)]
        }
        var json: JSON = [
            "id": item.id, "name": item.name, "size": item.size, "eTag": item.eTag, "cTag": item.cTag, "file": file,
            "lastModifiedDateTime": item.modified.ISO8601Format(),
            "parentReference": ["driveId": Item.drive, "driveType": "personal", "path": "/drive/root:"],
            "@microsoft.graph.downloadUrl": downloads.issueURL(for: item),
        ]
        switch fault {
        case .changedCTag: json["cTag"] = "\"c:{00000000-0000-0000-0000-000000000000},1\""
        case .changedETag: json["eTag"] = "\"{00000000-0000-0000-0000-000000000000},1\""
        case .size(let change): json["size"] = item.size + change
        case .omit(let names): for name in names { json[name] = nil }
        default: break
        }
        return json
    }

    /// Graph's own word for a status.
    private static func errorCode(for status: Int) -> String {
        switch status {
        case 401: "unauthenticated"
        case 403: "accessDenied"
        case 404: "itemNotFound"
        case 409: "nameAlreadyExists"
        case 410: "resyncRequired"
        case 429: "activityLimitReached"
        case 503: "serviceNotAvailable"
        case 509: "bandwidthLimitExceeded"
        default: "generalException"
        }
    }

    // MARK: Answers

    /// Plays the faults that every endpoint knows; tells whether that was the answer.
    private func play(
        _ fault: Fault.Action?, _ replacements: Int, on exchange: Exchange
    ) async throws -> Bool {
        switch fault {
        case .hangUp, .reset: await exchange.reset()
        case .close: await exchange.close()
        case .delay(let seconds), .stall(_, let seconds):
            try await faults.wait(seconds, since: replacements)
            return false
        case .html(let status):
            try await exchange.answer(
                status: status, headers: [("Content-Type", "text/html; charset=utf-8")],
                body: ByteBuffer(string: "<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>\r\n"))
        case .redirect(let target): try await exchange.answer(status: 302, headers: [("Location", target)])
        default: return false
        }
        return true
    }

    private func refuse(
        _ exchange: Exchange, _ status: Int, _ code: String, _ sentence: String, retryAfter: Int? = nil
    ) async throws {
        var headers: [(name: String, value: String)] = []
        if let retryAfter { headers.append(("Retry-After", String(retryAfter))) }
        if status == 401 { headers.append(("WWW-Authenticate", "Bearer realm=\"\"")) }
        let id = UUID().uuidString.lowercased()
        headers.append(("request-id", id))
        try await send(
            [
                "error": [
                    "code": code, "message": sentence,
                    "innerError": [
                        "date": Date().ISO8601Format(), "request-id": id,
                        "client-request-id": exchange.request["client-request-id"] ?? id,
                    ] as JSON,
                ] as JSON
            ], status: status, headers: headers, on: exchange)
    }

    private func send(
        _ json: JSON, status: Int = 200, headers: [(name: String, value: String)] = [], on exchange: Exchange
    ) async throws {
        let body = try JSONSerialization.data(withJSONObject: json, options: [.sortedKeys, .withoutEscapingSlashes])
        try await exchange.answer(
            status: status, headers: [("Content-Type", "application/json; charset=utf-8")] + headers,
            body: ByteBuffer(bytes: body))
    }
}
