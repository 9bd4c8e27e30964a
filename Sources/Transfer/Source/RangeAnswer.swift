/// What the head of an answer to a range request means. Decides only.
enum RangeAnswer: Equatable {
    /// The bytes asked for follow, up to `end` at least, of a file of `total` bytes.
    case bytes(end: Int64, total: Int64)
    /// The whole file follows, from its first byte: this server knows no ranges.
    case whole(length: Int64?)
    /// The file is empty.
    case empty
    /// It's elsewhere.
    case redirect(to: String)
    /// The address is no longer good, or no longer leads to the same version: whoever gave it may look again.
    case refused(TransferError)
    /// It may work the next time.
    case retry(RetryPolicy.Fault, TransferError)
    /// It won't.
    case fail(TransferError)

    /// What is known of the file by now.
    struct Known {
        /// How messages call it.
        var name: String
        var length: Int64?
        /// As answers told it before.
        var version = Version()
        /// Whether a range was answered with a range before.
        var hasRanges: Bool
        /// Whether whoever gave the address can give another.
        var canRenew = false
    }

    /// What tells one version of a file from another. Of several servers with one file, each may tell another part of it.
    struct Version: Equatable {
        private(set) var eTag: String?
        private(set) var modified: String?

        /// Nothing is known.
        init() {}

        init(_ head: HTTPHead) {
            // Whether it is a weak one says nothing of the file.
            eTag = head["ETag"].map { $0.hasPrefix("W/") ? String($0.dropFirst(2)) : $0 }
            modified = head["Last-Modified"]
        }

        /// Adds what wasn't known.
        mutating func complete(by other: Version) {
            eTag = eTag ?? other.eTag
            modified = modified ?? other.modified
        }

        /// Whether it is certainly another one. The ETag decides where both have it.
        func contradicts(_ other: Version) -> Bool {
            if let eTag, let others = other.eTag { return eTag != others }
            if let modified, let others = other.modified { return modified != others }
            return false
        }
    }

    /// Judges the answer to a request for the bytes `asked`.
    ///
    /// - Parameter now: seconds since 1970.
    static func judge(_ head: HTTPHead, asked: Range<Int64>, known: Known, now: Int64) -> RangeAnswer {
        let name = known.name
        switch head.status {
        case 206: return partial(head, asked: asked, known: known)
        case 200: return whole(head, known: known)
        case 301, 302, 303, 307, 308:
            guard let location = head["Location"], !location.isEmpty else {
                return .fail(.init(.sourceUnavailable, "\(name): a redirect that leads nowhere; check the address"))
            }
            return .redirect(to: location)
        case 401:
            return .refused(.init(.sourceAuth, "\(name): the server asks for credentials; check the address"))
        case 403:
            return .refused(.init(.sourceForbidden, "\(name): the server refuses access; check who may read it"))
        case 410:
            return .refused(.init(.inputNotFound, "\(name): the server says that it is gone; check the address"))
        case 404:
            return .refused(
                .init(.inputNotFound, "\(name): the server says that there is no such file; check the address"))
        case 416:
            if known.length ?? 0 == 0, head["Content-Range"]?.hasSuffix("/0") == true { return .empty }
            return .refused(changed(known, "has become shorter"))
        case 429, 503, 509:
            let wait = RetryPolicy.retryAfter(head["Retry-After"], now: now)
            return .retry(
                .status(head.status, retryAfter: wait),
                .init(
                    .sourceThrottled, "\(name): the server is busy (HTTP \(head.status)); try again later",
                    retryAfter: wait))
        case let status where RetryPolicy.isTransient(status):
            return .retry(
                .status(status),
                .init(.sourceUnavailable, "\(name): the server failed (HTTP \(status)); try again later"))
        case let status:
            return .fail(.init(.sourceUnavailable, "\(name): the server answered HTTP \(status); check the address"))
        }
    }

    private static func partial(_ head: HTTPHead, asked: Range<Int64>, known: Known) -> RangeAnswer {
        guard isPlain(head) else { return unusable(known, "compressed its answer") }
        guard let range = contentRange(head["Content-Range"]) else {
            return unusable(known, "sent part of the file without saying which")
        }
        guard range.first == asked.lowerBound else {
            return unusable(known, "sent another part of the file than asked for")
        }
        if let length = known.length, length != range.total {
            return .refused(changed(known, "has \(range.total) bytes instead of \(length)"))
        }
        if known.version.contradicts(Version(head)) { return .refused(changed(known, "is another version")) }
        let count = range.last - range.first + 1
        guard range.last < asked.upperBound, head["Content-Length"].map({ Int64($0) == count }) ?? true else {
            return unusable(known, "contradicts itself about how much it sends")
        }
        return .bytes(end: range.last + 1, total: range.total)
    }

    private static func whole(_ head: HTTPHead, known: Known) -> RangeAnswer {
        guard isPlain(head) else { return unusable(known, "compressed its answer") }
        let type = head["Content-Type"]?.lowercased() ?? ""
        if type.hasPrefix("text/html") || type.hasPrefix("application/json") {
            let error = nonsense(known, "answered with a page instead of the file")
            // An address that is no longer good may lead to where one signs in.
            return known.canRenew ? .refused(error) : .retry(.damage, error)
        }
        if known.hasRanges { return unusable(known, "stopped to serve parts of the file") }
        let length = head["Content-Length"].flatMap { Int64($0) }
        if let length, let announced = known.length, length != announced {
            return .refused(changed(known, "has \(length) bytes instead of \(announced)"))
        }
        if known.version.contradicts(Version(head)) { return .refused(changed(known, "is another version")) }
        return .whole(length: length)
    }

    /// `bytes 0-499/1234`; `nil` for what is malformed, doesn't tell the total, or tells one that no file has.
    static func contentRange(_ value: String?) -> (first: Int64, last: Int64, total: Int64)? {
        guard let value, value.lowercased().hasPrefix("bytes ") else { return nil }
        let parts = value.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = number(ends[0]), let last = number(ends[1]), let total = number(parts[1]),
            first <= last, last < total, total <= 1 << 53
        else { return nil }
        return (first, last, total)
    }

    private static func number(_ text: Substring) -> Int64? {
        let trimmed = text.drop { $0 == " " }
        guard trimmed.first?.isNumber == true else { return nil }
        return Int64(trimmed)
    }

    private static func isPlain(_ head: HTTPHead) -> Bool {
        ["", "identity"].contains(head["Content-Encoding"]?.lowercased() ?? "")
    }

    private static func unusable(_ known: Known, _ what: String) -> RangeAnswer {
        .retry(.damage, nonsense(known, what))
    }

    private static func nonsense(_ known: Known, _ what: String) -> TransferError {
        .init(.sourceUnavailable, "\(known.name): the server \(what); try again, or use another address")
    }

    private static func changed(_ known: Known, _ what: String) -> TransferError {
        .init(.sourceChanged, "\(known.name) \(what): it was changed while it was read; start again")
    }
}
