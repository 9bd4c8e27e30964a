/// What a ranged download does next: events go in, actions come out. Does no IO and knows no clock.
///
/// ```
///   reader ── wants a byte ──▶ ┌───────────────┐ ── fetch, cancel, resume ──▶ HTTPClient
///   HTTPClient ── head ──────▶ │ DownloadState │ ── renew ──▶ whoever gave the address
///              ── bytes ─────▶ │ DownloadWindow│ ── wake later ──▶ a timer
///              ── end ───────▶ └───────────────┘ ── wake ──▶ the reader
/// ```
/// Each byte that came is kept where it belongs in the file: a request that broke is made again for what is missing.
struct DownloadState {
    enum Action {
        case fetch(UInt64, url: String, Range<Int64>)
        case cancel(UInt64)
        case resume(UInt64)
        case renew
        case wake(after: Double)
        case wakeReader
    }

    /// One request under way.
    struct Request {
        let chunk: DownloadWindow.Chunk
        let asked: Range<Int64>
        let generation: Int
        /// Where its bytes end, once its head told so.
        var end: Int64?
        /// Whether its failure has been dealt with, so that its end means nothing.
        var isSettled = false
    }

    enum Mode: Equatable {
        /// Nothing is known yet.
        case opening
        /// Ranges are fetched as they are needed.
        case ranges
        /// One answer brings the whole file, once.
        case stream(UInt64, isPaused: Bool)
        /// That answer has ended.
        case streamed
    }

    let options: RangedSource.Options
    let name: String
    private(set) var mode = Mode.opening
    private(set) var failure: TransferError?
    private(set) var window: DownloadWindow
    private(set) var received = ReceivedBytes()
    private(set) var length: Int64?
    var requests: [UInt64: Request] = [:]
    private var nextID: UInt64 = 0

    var address: SourceAddress
    var version = RangeAnswer.Version()
    /// No request is made before, since the server asked for that.
    var holdUntil = 0.0
    /// When the server first asked so since the last byte came.
    var heldSince: Double?
    private var timerAt: Double?
    private var wanted: Int64?
    private var wasRead = false

    init(_ address: SourceAddress, name: String, expectedLength: Int64?, options: RangedSource.Options) {
        self.address = address
        self.name = name
        length = expectedLength
        self.options = options
        window = DownloadWindow(limit: options.windowBytes, connections: options.connections)
    }

    /// Whether reads may begin anywhere. A file that comes in one piece may be small enough to be kept whole.
    var isSeekable: Bool {
        switch mode {
        case .stream, .streamed: length.map { $0 <= window.limit } ?? false
        default: true
        }
    }

    // MARK: Reader

    /// Reads what is there; `nil` where the reader has to wait.
    mutating func read(
        into target: UnsafeMutableRawBufferPointer, at offset: Int64, now: Double, _ actions: inout [Action]
    ) throws(TransferError) -> Int? {
        if let failure { throw failure }
        if let length, offset >= length, mode != .opening { return 0 }
        if let count = window.read(into: target, at: offset) {
            wanted = nil
            wasRead = true
            makeRoom(&actions)
            pump(now: now, &actions)
            return count
        }
        switch mode {
        case .ranges:
            if window.chunk(at: offset) == nil, window.seek(to: offset) { abandonFar(&actions) }
        case .stream, .streamed:
            guard isSeekable || offset == received.end || offset == window.position else {
                throw Self.seekRefusal(name)
            }
            if !isSeekable {
                _ = window.seek(to: offset)
                makeRoom(&actions)
            }
        case .opening: break
        }
        wanted = offset
        pump(now: now, &actions)
        return nil
    }

    static func seekRefusal(_ name: String) -> TransferError {
        TransferError(
            .sourceUnavailable,
            "\(name): this video has to be read in another order than the server sends it, and the server can't "
                + "send parts; use a server that supports ranges, or download the file first")
    }

    /// Forgets what was read of a file that comes in one piece, so that it may go on coming.
    private mutating func makeRoom(_ actions: inout [Action]) {
        guard case .stream(let id, let isPaused) = mode else { return }
        if !isSeekable { window.dropRead() }
        if isPaused {
            mode = .stream(id, isPaused: false)
            actions.append(.resume(id))
        }
    }

    /// Ends requests for what a jump left behind, unless they are nearly done.
    private mutating func abandonFar(_ actions: inout [Action]) {
        for (id, request) in requests where !request.isSettled {
            guard request.chunk.end - request.chunk.reached > DownloadWindow.smallest else { continue }
            settle(id)
            window.truncate(request.chunk)
            actions.append(.cancel(id))
        }
    }

    /// Ends everything; what the reader is told is up to the error.
    mutating func stop(_ error: TransferError, _ actions: inout [Action]) {
        guard failure == nil else { return }
        failure = error
        for (id, request) in requests where !request.isSettled {
            requests[id]?.isSettled = true
            actions.append(.cancel(id))
        }
        actions.append(.wakeReader)
    }

    /// Frees the window; only after `stop`.
    mutating func freeMemory() { window.clear() }

    // MARK: Requests

    /// Whether a request's answer still matters.
    func isUnderWay(_ id: UInt64) -> Bool { requests[id].map { !$0.isSettled } ?? false }

    /// Starts what may be started now.
    mutating func pump(now: Double, _ actions: inout [Action]) {
        guard failure == nil, !address.isRenewing, mode == .opening || mode == .ranges else { return }
        guard now >= holdUntil else { return wake(at: holdUntil, now: now, &actions) }
        let connections = mode == .opening ? 1 : options.connections
        while requests.values.count(where: { !$0.isSettled }) < connections {
            guard let chunk = nextChunk(now: now) else { break }
            nextID += 1
            chunk.isActive = true
            requests[nextID] = Request(chunk: chunk, asked: chunk.reached..<chunk.end, generation: address.generation)
            received.beginRequest(now: now)
            actions.append(.fetch(nextID, url: address.url, chunk.reached..<chunk.end))
        }
        let waiting = window.chunks.filter { !$0.isActive && !$0.isComplete && $0.retryAt > now }
        if let next = waiting.map(\.retryAt).min() { wake(at: next, now: now, &actions) }
    }

    private mutating func nextChunk(now: Double) -> DownloadWindow.Chunk? {
        let broken = window.chunks.filter { !$0.isActive && !$0.isComplete && $0.retryAt <= now }
        if mode == .opening {
            guard window.chunks.isEmpty else { return broken.first }
            return window.add(0..<DownloadWindow.smallest, for: .wanted)
        }
        // First what the reader is at, then what broke ahead of it, then what nobody has asked for yet.
        let place = wanted ?? window.position
        if let chunk = broken.first(where: { $0.start <= place && place < $0.end }) { return chunk }
        let isMissing = wanted.map { window.chunk(at: $0) == nil } ?? false
        if !isMissing, let chunk = broken.first(where: { $0.start > place }) ?? broken.first { return chunk }
        guard let length, let range = window.next(length: length, wanted: wanted) else { return nil }
        return window.add(range, for: range.lowerBound == wanted ? .wanted : .ahead)
    }

    private mutating func wake(at time: Double, now: Double, _ actions: inout [Action]) {
        guard time < timerAt ?? .infinity else { return }
        timerAt = time
        actions.append(.wake(after: max(0, time - now)))
    }

    /// The timer ran out, perhaps before its time: its clock may go on while the machine sleeps and ours stands still.
    mutating func timer(now: Double, _ actions: inout [Action]) {
        timerAt = nil
        pump(now: now, &actions)
    }

    /// An answer's head came. Returns whether its bytes are wanted.
    mutating func head(_ id: UInt64, _ head: HTTPHead, now: Double, epoch: Int64, _ actions: inout [Action]) -> Bool {
        guard failure == nil, let request = requests[id], !request.isSettled else { return false }
        let known = RangeAnswer.Known(
            name: name, length: length, version: version, hasRanges: mode == .ranges, canRenew: address.canRenew)
        switch RangeAnswer.judge(head, asked: request.asked, known: known, now: epoch) {
        case .bytes(let end, let total):
            opened(total, head, .ranges, &actions)
            request.chunk.end = min(request.chunk.end, total)
            requests[id]?.end = end
            pump(now: now, &actions)
            return true
        case .whole(let length):
            opened(length ?? self.length, head, .stream(id, isPaused: false), &actions)
            return true
        case .empty:
            opened(0, head, .streamed, &actions)
            window.clear()
            settle(id)
        case .redirect(let location):
            settle(id)
            follow(location, from: request, now: now, &actions)
        case .refused(let error):
            settle(id)
            refuse(error, request, now: now, &actions)
        case .retry(let fault, let error):
            settle(id)
            retry(request.chunk, fault, error, now: now, &actions)
        case .fail(let error):
            settle(id)
            stop(error, &actions)
        }
        return false
    }

    private mutating func opened(_ length: Int64?, _ head: HTTPHead, _ mode: Mode, _ actions: inout [Action]) {
        address.worked()
        version.complete(by: RangeAnswer.Version(head))
        guard self.mode == .opening else { return }
        self.length = length
        self.mode = mode
        actions.append(.wakeReader)
    }

    /// Bytes came. Returns what the client is to do.
    mutating func bytes(
        _ id: UInt64, _ bytes: UnsafeRawBufferPointer, now: Double, _ actions: inout [Action]
    ) -> HTTPFlow {
        guard failure == nil, let request = requests[id], !request.isSettled else { return .stop }
        if case .stream(id, _) = mode { return stream(bytes, &actions) }
        let offset = request.chunk.reached
        guard let end = request.end, offset + Int64(bytes.count) <= end, request.chunk.append(bytes) == bytes.count
        else {
            settle(id)
            let error = TransferError(.sourceUnavailable, "\(name): the server sends more than it announced; try again")
            retry(request.chunk, .damage, error, now: now, &actions)
            return .stop
        }
        took(bytes, at: offset, &actions)
        return .more
    }

    /// The whole file comes in one answer: chunks of one size take it, as the reader leaves room.
    private mutating func stream(_ bytes: UnsafeRawBufferPointer, _ actions: inout [Action]) -> HTTPFlow {
        guard case .stream(let id, _) = mode else { return .stop }
        let start = received.end
        var rest = bytes
        if let length, start + Int64(bytes.count) > length {
            stop(
                TransferError(.sourceChanged, "\(name) is longer than announced: it was changed; start again"), &actions
            )
            return .stop
        }
        var tail = window.chunks.last { $0.reached == start }
        let room = tail.map { $0.end - $0.reached } ?? 0
        if room < Int64(bytes.count) {
            // Nothing is taken unless all is: a pause delivers the same bytes again.
            let next = start + room
            let size = min(DownloadWindow.smallest, (length ?? .max) - next)
            guard let added = window.add(next..<next + size, for: .stream) else {
                mode = .stream(id, isPaused: true)
                return .pause
            }
            if let chunk = tail { rest = UnsafeRawBufferPointer(rebasing: rest[chunk.append(rest)...]) }
            tail = added
        }
        _ = tail?.append(rest)
        took(bytes, at: start, &actions)
        return .more
    }

    private mutating func took(_ bytes: UnsafeRawBufferPointer, at offset: Int64, _ actions: inout [Action]) {
        received.take(bytes, at: offset)
        heldSince = nil
        if let wanted, offset <= wanted, wanted < offset + Int64(bytes.count) { actions.append(.wakeReader) }
    }

    /// A request ended.
    mutating func complete(
        _ id: UInt64, _ result: Result<Void, TransferError>, now: Double, _ actions: inout [Action]
    ) {
        received.endRequest(now: now)
        guard let request = requests.removeValue(forKey: id) else { return }
        guard !request.isSettled, failure == nil else { return pump(now: now, &actions) }
        request.chunk.isActive = false
        let chunk = request.chunk
        if case .stream(id, _) = mode { return streamEnded(result, now: now, &actions) }
        switch result {
        case .success where chunk.reached == request.end:
            // A server may give less than was asked for, and say so: the rest is one more request.
            chunk.retryAt = 0
            pump(now: now, &actions)
        case .success:
            let error = TransferError(.sourceUnavailable, "\(name): the server sends less than it announced; try again")
            retry(chunk, .damage, error, now: now, &actions)
        case .failure(let error) where error.isHopeless:
            stop(error, &actions)
        case .failure(let error):
            retry(chunk, .transport, error, now: now, &actions)
        }
    }

    private mutating func streamEnded(_ result: Result<Void, TransferError>, now: Double, _ actions: inout [Action]) {
        if case .failure(let error) = result {
            guard !wasRead, let chunk = window.chunks.first else {
                let place =
                    "\(name): the connection broke at byte \(received.end), and the server can't go on from there"
                return stop(TransferError(.sourceUnavailable, "\(place); try again"), &actions)
            }
            // Nobody has seen a byte yet: begin again.
            let faults = chunk.faults
            mode = .opening
            window.clear()
            received.restart()
            guard let first = window.add(0..<DownloadWindow.smallest, for: .wanted) else { return }
            first.faults = faults
            return retry(first, .transport, error, now: now, &actions)
        }
        if let length, received.end != length {
            return stop(
                TransferError(
                    .sourceChanged,
                    "\(name) has \(received.end) bytes instead of \(length): it was changed; start again"),
                &actions)
        }
        length = received.end
        mode = .streamed
        actions.append(.wakeReader)
    }
}
