internal import CCurl
internal import Glibc

/// One exchange on one curl_easy. C keeps this object's address, hence a class. Lives on the client's thread.
final class HTTPTransfer {
    let id: UInt64
    let easy: UnsafeMutableRawPointer
    let receiver: any HTTPReceiver

    private let request: HTTPRequest
    private let server: String
    private let allowsPrivateHosts: Bool
    private let stallSeconds: Double
    private let sockets: HTTPSockets
    private var headerList: UnsafeMutablePointer<curl_slist>?

    private var head: HTTPHead?
    private var headBytes = 0
    private var isHeadDelivered = false
    private var isPaused = false
    private var isStopped = false
    private var wasRefused = false
    /// What was opened for it, until there is a connection.
    private var opened: [curl_socket_t] = []
    private var socket: curl_socket_t?
    private var uploaded = 0
    /// Bytes of the answer's body, and of the request's that the connection has taken, by libcurl's count.
    private var counted: (down: Int, up: Int) = (0, 0)
    /// Bytes of the request's body that the other side has.
    private var sent = 0
    /// When enough bytes moved last; `nil` until there is a connection, which has its own time limit.
    private var lastMove: Double?
    private var bytesAtLastMove = 0

    /// A server that never ends its headers would fill the memory.
    private static let largestHead = 256 << 10
    private static let mostUnsent: Int32 = 512 << 10
    /// Fewer bytes of a body are no movement: who sends one now and then never comes to an end either.
    private static let leastMove = 4096
    static let cancelled = TransferError(.cancelled, "the transfer was cancelled")

    init(
        _ id: UInt64, _ request: HTTPRequest, _ receiver: any HTTPReceiver, _ options: HTTPClient.Options,
        _ sockets: HTTPSockets
    ) throws(TransferError) {
        guard let address = HTTPAddress(request.url) else {
            throw TransferError(
                .sourceUnavailable, "the address isn't an http or https address; check it", isHopeless: true)
        }
        guard let easy = curl_easy_init() else { throw TransferError(.internal, "out of memory") }
        self.id = id
        self.easy = easy
        self.request = request
        self.receiver = receiver
        server = address.origin
        allowsPrivateHosts = options.allowsPrivateHosts
        stallSeconds = options.stallSeconds
        self.sockets = sockets
        configure(options)
        try setHeaders()
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headerList)
    }

    static func of(_ easy: UnsafeMutableRawPointer?) -> HTTPTransfer? {
        var opaque: UnsafeMutableRawPointer?
        guard let easy, reelway_get_pointer(easy, CURLINFO_PRIVATE, &opaque) == CURLE_OK, let opaque else { return nil }
        return Unmanaged<HTTPTransfer>.fromOpaque(opaque).takeUnretainedValue()
    }

    /// Seconds of the monotonic clock.
    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Looks at what has moved.
    func look(at now: Double) {
        if request.body != nil {
            if counted.up < sent { tellSent(0) }  // begun again on another connection
            // The kernel takes what a slow line needs half a minute for: only what was confirmed has moved.
            if counted.up > sent {
                let unconfirmed = socket.map { Int(reelway_unconfirmed_bytes($0)) } ?? 0
                tellSent(max(sent, counted.up - unconfirmed))
            }
        }
        let bytes = counted.down + sent
        bytesAtLastMove = min(bytesAtLastMove, bytes)
        if lastMove != nil, bytes >= bytesAtLastMove + (request.mayDrip ? 1 : HTTPTransfer.leastMove) {
            (lastMove, bytesAtLastMove) = (now, bytes)
        }
    }

    func isStalled(at now: Double) -> Bool {
        guard !isPaused, let lastMove else { return false }
        return now - lastMove > stallSeconds
    }

    private func tellSent(_ bytes: Int) {
        guard sent != bytes else { return }
        sent = bytes
        receiver.sent(bytes)
    }

    var stallError: TransferError {
        TransferError(
            .sourceUnavailable, "\(request.method) \(server): hardly a byte moved for \(stallSeconds) s; try again")
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        lastMove = HTTPTransfer.now()
        // May deliver, and so pause, before it returns.
        curl_easy_pause(easy, CURLPAUSE_CONT)
    }

    /// What libcurl's result means.
    func outcome(_ result: CURLcode) -> Result<Void, TransferError> {
        if isStopped { return .failure(HTTPTransfer.cancelled) }
        if result == CURLE_OK, isHeadDelivered {
            if request.body != nil { tellSent(counted.up) }
            return .success(())
        }
        if wasRefused, opened.isEmpty, lastMove == nil {
            return .failure(
                TransferError(
                    .sourceForbidden,
                    "\(server) is at a private, loopback or link-local address; use a public one, or set "
                        + "REELWAY_ALLOW_PRIVATE_HOSTS=true", isHopeless: true))
        }
        let reason =
            switch result {
            case CURLE_OK: "no answer; check the address and try again"
            case CURLE_PEER_FAILED_VERIFICATION:
                "its certificate isn't one that this machine trusts for that name; check the address, the clock and the "
                    + "machine's ca-certificates"
            default: "\(String(cString: curl_easy_strerror(result))); check the address and try again"
            }
        return .failure(
            TransferError(
                .sourceUnavailable, "\(request.method) \(server): \(reason)",
                isHopeless: HTTPTransfer.hopeless.contains(result)))
    }

    /// What no further try changes.
    private static let hopeless = [CURLE_PEER_FAILED_VERIFICATION, CURLE_URL_MALFORMAT]

    // MARK: Settings

    private func configure(_ options: HTTPClient.Options) {
        let this = Unmanaged.passUnretained(self).toOpaque()
        let long = { [easy] (option: CURLoption, value: Int) in _ = reelway_set_long(easy, option, value) }
        let string = { [easy] (option: CURLoption, value: String) in _ = reelway_set_string(easy, option, value) }
        let pointer = { [easy] (option: CURLoption) in _ = reelway_set_pointer(easy, option, this) }

        string(CURLOPT_URL, request.url)
        long(CURLOPT_PATH_AS_IS, 1)
        string(CURLOPT_PROTOCOLS_STR, "http,https")
        string(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        long(CURLOPT_FOLLOWLOCATION, 0)
        long(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        // An environment's proxy would connect on our behalf, past the address rule.
        string(CURLOPT_PROXY, "")
        // HTTP/2 buffers up to 32 MB for a paused stream.
        long(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        long(CURLOPT_HTTP_CONTENT_DECODING, 0)
        long(CURLOPT_NOSIGNAL, 1)
        // Don't wait for a name lookup that is cancelled: its thread frees itself.
        long(CURLOPT_QUICK_EXIT, 1)
        long(CURLOPT_CONNECTTIMEOUT_MS, Int(options.connectTimeout * 1000))
        long(CURLOPT_TCP_KEEPALIVE, 1)
        // A server that ends an idle connection may say so first, as TLS does: libcurl 7.88 takes that for a sign of life,
        // and spends a try on each such connection.
        long(CURLOPT_MAXAGE_CONN, options.mostIdleSeconds)
        long(CURLOPT_BUFFERSIZE, 128 << 10)
        long(CURLOPT_UPLOAD_BUFFERSIZE, 256 << 10)
        string(CURLOPT_USERAGENT, options.userAgent)
        // Where a connection is used again and is cut before the answer, libcurl takes it for one that had ended before, and
        // sends the request anew by itself. A POST may have taken effect: whoever made it has to hear of the cut.
        if request.method == "POST" { long(CURLOPT_FRESH_CONNECT, 1) }

        pointer(CURLOPT_PRIVATE)
        reelway_set_opensocket(easy, CURLOPT_OPENSOCKETFUNCTION) { HTTPTransfer.this($0)?.open($2) ?? -1 }
        pointer(CURLOPT_OPENSOCKETDATA)
        reelway_set_prereq(easy, CURLOPT_PREREQFUNCTION) { this, remote, local, remotePort, localPort in
            guard let remote, let local else { return CURL_PREREQFUNC_ABORT }
            HTTPTransfer.this(this)?.begin(
                HTTPSockets.Ends(
                    remote: String(cString: remote), remotePort: remotePort, local: String(cString: local),
                    localPort: localPort))
            return CURL_PREREQFUNC_OK
        }
        pointer(CURLOPT_PREREQDATA)
        reelway_set_write(easy, CURLOPT_HEADERFUNCTION) { bytes, _, count, this in
            HTTPTransfer.this(this)?.receiveHeader(UnsafeRawBufferPointer(start: bytes, count: count)) ?? 0
        }
        pointer(CURLOPT_HEADERDATA)
        reelway_set_write(easy, CURLOPT_WRITEFUNCTION) { bytes, _, count, this in
            HTTPTransfer.this(this)?.receiveBody(UnsafeRawBufferPointer(start: bytes, count: count)) ?? 0
        }
        pointer(CURLOPT_WRITEDATA)
        long(CURLOPT_NOPROGRESS, 0)
        reelway_set_progress(easy, CURLOPT_XFERINFOFUNCTION) { this, _, down, _, up in
            HTTPTransfer.this(this)?.counted = (down, up)
            return 0
        }
        pointer(CURLOPT_XFERINFODATA)
        setMethod()
    }

    private func setMethod() {
        let this = Unmanaged.passUnretained(self).toOpaque()
        switch (request.method, request.body) {
        case ("GET", nil):
            reelway_set_long(easy, CURLOPT_HTTPGET, 1)
        case ("HEAD", nil):
            reelway_set_long(easy, CURLOPT_NOBODY, 1)
        case ("DELETE", nil):
            reelway_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method)
        case (let method, let body):
            // Others have a body, if an empty one, so that their length is always sent.
            reelway_set_long(easy, CURLOPT_UPLOAD, 1)
            reelway_set_string(easy, CURLOPT_CUSTOMREQUEST, method)
            reelway_set_offset(easy, CURLOPT_INFILESIZE_LARGE, body?.count ?? 0)
            reelway_set_read(easy, CURLOPT_READFUNCTION) { target, size, count, this in
                HTTPTransfer.this(this)?.supply(UnsafeMutableRawBufferPointer(start: target, count: size * count)) ?? 0
            }
            reelway_set_pointer(easy, CURLOPT_READDATA, this)
            // A reused connection that turns out to be closed makes libcurl start the body again.
            reelway_set_seek(easy, CURLOPT_SEEKFUNCTION) { this, offset, origin in
                guard origin == SEEK_SET, let transfer = HTTPTransfer.this(this) else { return CURL_SEEKFUNC_FAIL }
                transfer.uploaded = Int(offset)
                return CURL_SEEKFUNC_OK
            }
            reelway_set_pointer(easy, CURLOPT_SEEKDATA, this)
        }
    }

    private func setHeaders() throws(TransferError) {
        var lines: [String] = []
        for (name, value) in request.headers {
            guard !name.isEmpty, !(name + value).utf8.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) else {
                throw TransferError(
                    .internal, "a header of a request to \(server) holds a control character; report this")
            }
            lines.append(value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        // Waiting a second for permission to send helps nobody; a request that is signed is signed without it.
        lines.append("Expect:")
        for line in lines {
            guard let list = curl_slist_append(headerList, line) else {
                throw TransferError(.internal, "out of memory")
            }
            headerList = list
        }
        reelway_set_list(easy, CURLOPT_HTTPHEADER, headerList)
    }

    // MARK: Callbacks

    private static func this(_ opaque: UnsafeMutableRawPointer?) -> HTTPTransfer? {
        opaque.map { Unmanaged<HTTPTransfer>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Opens a socket for an address that the rule allows. A connection that is reused was opened here as well.
    private func open(_ address: UnsafeMutablePointer<curl_sockaddr>?) -> curl_socket_t {
        guard let address else { return -1 }
        let family = address.pointee.family
        if !allowsPrivateHosts {
            guard let field = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return -1 }
            let socket = UnsafeRawPointer(address).advanced(by: field)
            let bytes: [UInt8] =
                switch family {
                case AF_INET:
                    withUnsafeBytes(of: socket.loadUnaligned(as: sockaddr_in.self).sin_addr) { Array($0) }
                case AF_INET6:
                    withUnsafeBytes(of: socket.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
                default: []
                }
            guard AddressRule.isPublic(bytes) else {
                wasRefused = true
                return -1
            }
        }
        let descriptor = Glibc.socket(
            family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), address.pointee.`protocol`)
        // The kernel would take megabytes of a body at once, and nothing would seem to move while a slow line sends them.
        var unsent = HTTPTransfer.mostUnsent
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &unsent, socklen_t(MemoryLayout.size(ofValue: unsent)))
        if descriptor >= 0 { opened.append(descriptor) }
        return descriptor
    }

    /// There is a connection, new or used before.
    private func begin(_ ends: HTTPSockets.Ends) {
        socket = sockets.socket(of: ends, among: opened)
        opened = []
        lastMove = HTTPTransfer.now()
    }

    private func receiveHeader(_ bytes: UnsafeRawBufferPointer) -> Int {
        headBytes += bytes.count
        guard headBytes <= HTTPTransfer.largestHead else { return 0 }
        guard !isHeadDelivered else { return bytes.count }  // a trailer
        let line = String(decoding: bytes.trimming { $0 == 0x0d || $0 == 0x0a }, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            let status = line.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) }
            head = HTTPHead(status: status ?? 0)
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].utf8.trimming { $0 == 0x20 || $0 == 0x09 }
            head?.headers.append((name: String(line[..<colon]), value: String(Substring(value))))
        } else if line.isEmpty, let head, head.status >= 200 {
            isHeadDelivered = true
            lastMove = HTTPTransfer.now()
            switch receiver.receive(head) {
            case .more: break
            case .pause: isPaused = true
            case .stop:
                isStopped = true
                return 0
            }
        }
        return bytes.count
    }

    private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !isPaused else { return Int(CURL_WRITEFUNC_PAUSE) }
        switch receiver.receive(bytes.bytes) {
        case .more: return bytes.count
        case .pause:
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        case .stop:
            isStopped = true
            return 0
        }
    }

    private func supply(_ target: UnsafeMutableRawBufferPointer) -> Int {
        guard let body = request.body else { return 0 }
        let count = min(target.count, body.count - uploaded)
        body.withUnsafeBytes {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[uploaded..<uploaded + count]))
        }
        uploaded += count
        return count
    }
}

extension BidirectionalCollection where SubSequence == Self.SubSequence.SubSequence {
    /// The collection without what `isEdge` holds for at either end.
    fileprivate func trimming(_ isEdge: (Element) -> Bool) -> SubSequence {
        guard let last = lastIndex(where: { !isEdge($0) }) else { return self[endIndex...] }
        return self[...last].drop { isEdge($0) }
    }
}
