internal import CCurl
internal import Glibc
internal import Synchronization

/// The thread that owns a client's curl_multi, and the inbox through which other threads talk to it.
final class HTTPThread: Sendable {
    enum Command: Sendable {
        case start(UInt64, HTTPRequest, any HTTPReceiver)
        case resume(UInt64)
        case cancel(UInt64)
    }

    private struct Inbox {
        var commands: [Command] = []
        var nextID: UInt64 = 0
        /// `nil` once the thread takes no more commands; also what `curl_multi_wakeup` needs, which alone of libcurl's
        /// functions may be called from other threads while the handle lives.
        var multi: UnsafeMutableRawPointer?
        var isStopping = false
        var thread: pthread_t?
    }
    private let inbox = Mutex(Inbox())
    let options: HTTPClient.Options

    /// libcurl wants to be told once that it is going to be used.
    private static let isReady = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

    init(_ options: HTTPClient.Options) {
        self.options = options
        guard HTTPThread.isReady, let multi = curl_multi_init() else { return }
        let multiBits = UInt(bitPattern: multi)
        let isStarted = inbox.withLock { inbox in
            inbox.multi = UnsafeMutableRawPointer(bitPattern: multiBits)
            var thread = pthread_t()
            let argument = Unmanaged.passRetained(self)
            let failed = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<HTTPThread>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, argument.toOpaque())
            if failed != 0 {
                argument.release()
                inbox.multi = nil
                return false
            }
            inbox.thread = thread
            return true
        }
        if !isStarted { curl_multi_cleanup(multi) }
    }

    func start(_ request: HTTPRequest, _ receiver: any HTTPReceiver) -> UInt64 {
        let id = inbox.withLock { inbox -> UInt64? in
            guard inbox.multi != nil, !inbox.isStopping else { return nil }
            inbox.nextID += 1
            inbox.commands.append(.start(inbox.nextID, request, receiver))
            curl_multi_wakeup(inbox.multi)
            return inbox.nextID
        }
        if id == nil { receiver.complete(.failure(HTTPThread.stopped)) }
        return id ?? 0
    }

    func post(_ command: Command) {
        inbox.withLock { inbox in
            guard inbox.multi != nil else { return }
            inbox.commands.append(command)
            curl_multi_wakeup(inbox.multi)
        }
    }

    /// Ends the thread and waits for it, unless it is the caller: a receiver may hold the last reference to its client.
    func stop() {
        let thread = inbox.withLock { inbox in
            inbox.isStopping = true
            if inbox.multi != nil { curl_multi_wakeup(inbox.multi) }
            return inbox.thread.take()
        }
        guard let thread else { return }
        if pthread_equal(thread, pthread_self()) != 0 { pthread_detach(thread) } else { pthread_join(thread, nil) }
    }

    static let stopped = TransferError(
        .sourceUnavailable, "the HTTP client was shut down; start again", isHopeless: true)

    private func run() {
        // Signals belong to the threads of the program; and with CURLOPT_NOSIGNAL libcurl leaves SIGPIPE to its caller.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)

        guard let multi = inbox.withLock({ UInt(bitPattern: $0.multi) }).pointer else { return }
        let exchanges = HTTPMulti(multi, options)
        while true {
            let (commands, isStopping) = inbox.withLock { inbox in
                let commands = inbox.commands
                inbox.commands.removeAll(keepingCapacity: true)
                return (commands, inbox.isStopping)
            }
            exchanges.obey(commands)
            if isStopping { break }
            exchanges.step()
        }
        exchanges.end(HTTPThread.stopped)
        let leftOver = inbox.withLock { inbox in
            inbox.multi = nil
            let commands = inbox.commands
            inbox.commands = []
            return commands
        }
        for case .start(_, _, let receiver) in leftOver { receiver.complete(.failure(HTTPThread.stopped)) }
        curl_multi_cleanup(multi)
    }
}

extension UInt {
    fileprivate var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: self) }
}
