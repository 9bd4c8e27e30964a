import LoopbackHTTP
import NIOCore
import NIOPosix
import Synchronization

/// The host that the pre-authenticated download URLs point at.
///
/// A URL is good only byte for byte as it was issued, without an Authorization header, until it expires.
final class DownloadHost: Sendable {
    private struct Grant {
        let item: String
        var end: ContinuousClock.Instant
    }

    private let folder: Folder
    private let options: SandboxOptions
    private let faults: FaultQueue
    private let latency: Latency
    private let grants = Mutex<[String: Grant]>([:])
    private let address = Mutex("")

    init(_ folder: Folder, _ options: SandboxOptions, _ faults: FaultQueue, _ latency: Latency) {
        self.folder = folder
        self.options = options
        self.faults = faults
        self.latency = latency
    }

    /// Where it listens, once it does.
    func listens(at address: String) { self.address.withLock { $0 = address } }

    /// A new URL for an item. Its escapes are of both cases and its parameters in no alphabetical order, so that a client
    /// that takes it apart and puts it together again is found out.
    func issueURL(for item: Item) -> String {
        let target =
            "/personal/owner_sandbox/_layouts/15/download.aspx?UniqueId=\(TokenBook.random())&Translate=false"
            + "&tempauth=v1.eyJ\(TokenBook.random())%2FaQ%3d~x%2b\(TokenBook.random())&ApiVersion=2.0"
        grants.withLock { $0[target] = Grant(item: item.name, end: .now + options.urlLifetime) }
        return address.withLock { $0 } + target
    }

    /// Every URL issued so far is refused from now on; downloads under way go on.
    func expireURLs() {
        grants.withLock { grants in
            for target in grants.keys { grants[target]?.end = .now }
        }
    }

    func answer(_ exchange: Exchange) async throws {
        let request = exchange.request
        guard request["Authorization"] == nil else {
            return try await refuse(exchange, 401, "Authorization is not accepted here.")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return try await refuse(exchange, 405, "Only GET and HEAD are allowed.")
        }
        let grant = grants.withLock { $0[request.target] }
        let item = grant.flatMap { folder.item(named: $0.item) }
        var range = RequestedRange(request["Range"], size: item?.size ?? 0)
        if let item, let condition = request["If-Range"], condition != item.eTag { range = .none }
        let replacements = faults.replacements
        let fault = faults.next(
            .init(
                endpoint: .download, method: request.method, item: item.map { ($0.name, $0.id) },
                bytes: item.map { range.bytes(of: $0.size) }, size: item?.size))
        exchange.note {
            $0.subject = item?.name
            $0.fault = fault?.name
        }

        try await latency.pass()
        switch fault {
        case .hangUp: return await exchange.reset()
        case .delay(let seconds): try await faults.wait(seconds, since: replacements)
        case .status(let status, let retryAfter):
            return try await refuse(exchange, status, "The service refuses for now.", retryAfter: retryAfter)
        case .html(let status): return try await refuse(exchange, status, "Something went wrong.")
        case .redirect(let target):
            return try await exchange.answer(status: 302, headers: [("Location", target)])
        case .expireURL: grants.withLock { $0[request.target]?.end = .now }
        default: break
        }
        guard let item, let end = grants.withLock({ $0[request.target]?.end }), .now < end else {
            return try await refuse(exchange, 401, "The link is not valid or has expired.")
        }
        let answer = DownloadAnswer.make(
            item: item, range: range, supportsRanges: options.supportsRanges, fault: fault)
        try await send(answer, of: item, on: exchange, replacements)
    }

    private func send(
        _ answer: DownloadAnswer, of item: Item, on exchange: Exchange, _ replacements: Int
    ) async throws {
        try await exchange.send(status: answer.status, headers: answer.headers)
        guard exchange.request.method != "HEAD" else { return try await exchange.finish() }
        let files = NonBlockingFileIO(threadPool: .singleton)
        try await files.withFileHandle(_deprecatedPath: item.path, mode: .read) { file in
            var offset = answer.bytes.lowerBound
            var stall = answer.stall
            while offset < answer.bytes.upperBound {
                if let pause = stall, pause.at <= offset {
                    stall = nil
                    try await faults.wait(pause.seconds, since: replacements)
                }
                var end = min(answer.bytes.upperBound, offset + 256 << 10)
                if let pause = stall, pause.at < end { end = pause.at }
                var bytes = try await files.read(
                    fileHandle: file, fromOffset: offset, byteCount: Int(end - offset), allocator: .init())
                guard bytes.readableBytes == Int(end - offset) else { throw ConnectionEnded() }
                if let flipped = answer.flipped, offset..<end ~= flipped {
                    let place = bytes.readerIndex + Int(flipped - offset)
                    let byte: UInt8 = bytes.getInteger(at: place) ?? 0
                    bytes.setInteger(~byte, at: place)
                }
                try await exchange.send(bytes)
                offset = end
            }
            if let pause = stall { try await faults.wait(pause.seconds, since: replacements) }
        }
        switch answer.ending {
        case .finish: try await exchange.finish()
        case .close: await exchange.close()
        case .reset: await exchange.reset()
        }
    }

    private func refuse(
        _ exchange: Exchange, _ status: Int, _ sentence: String, retryAfter: Int? = nil
    ) async throws {
        var headers = [(name: "Content-Type", value: "text/html; charset=utf-8")]
        if let retryAfter { headers.append(("Retry-After", String(retryAfter))) }
        let page =
            "<!DOCTYPE html><html><head><title>\(status)</title></head><body><h1>\(sentence)</h1></body></html>\r\n"
        try await exchange.answer(status: status, headers: headers, body: ByteBuffer(string: page))
    }
}

extension RequestedRange {
    /// The item's bytes that the answer carries.
    func bytes(of size: Int64) -> Range<Int64> {
        switch self {
        case .none: 0..<size
        case .bytes(let range): range
        case .unsatisfiable: 0..<0
        }
    }
}
