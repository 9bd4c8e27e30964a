internal import CCurl
internal import Glibc

/// The exchanges under way on one curl_multi. Lives on one thread.
final class HTTPMulti {
    private let multi: UnsafeMutableRawPointer
    private let options: HTTPClient.Options
    private let sockets = HTTPSockets()
    private var transfers: [UInt64: HTTPTransfer] = [:]

    init(_ multi: UnsafeMutableRawPointer, _ options: HTTPClient.Options) {
        self.multi = multi
        self.options = options
        reelway_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.connectionsPerHost)
        reelway_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    }

    func obey(_ commands: [HTTPThread.Command]) {
        for command in commands {
            switch command {
            case .start(let id, let request, let receiver): start(id, request, receiver)
            case .resume(let id): transfers[id]?.resume()
            case .cancel(let id): finish(id, .failure(HTTPTransfer.cancelled))
            }
        }
    }

    /// Lets all exchanges make what progress they can, then waits for sockets, commands or the next look at the clock.
    func step() {
        var running: Int32 = 0
        curl_multi_perform(multi, &running)
        reap()
        endStalled()
        // Without an exchange only a command can bring work, and a command wakes.
        curl_multi_poll(multi, nil, 0, transfers.isEmpty ? 60_000 : 250, nil)
    }

    func end(_ error: TransferError) {
        for id in transfers.keys.sorted() { finish(id, .failure(error)) }
    }

    private func start(_ id: UInt64, _ request: HTTPRequest, _ receiver: any HTTPReceiver) {
        do throws(TransferError) {
            let transfer = try HTTPTransfer(id, request, receiver, options, sockets)
            transfers[id] = transfer
            guard curl_multi_add_handle(multi, transfer.easy) == CURLM_OK else {
                transfers[id] = nil
                throw TransferError(.internal, "libcurl took no further exchange; report this")
            }
        } catch {
            receiver.complete(.failure(error))
        }
    }

    private func reap() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE,
                let transfer = HTTPTransfer.of(message.pointee.easy_handle)
            else { continue }
            finish(transfer.id, transfer.outcome(message.pointee.data.result))
        }
    }

    private func endStalled() {
        let now = HTTPTransfer.now()
        for transfer in transfers.values {
            transfer.look(at: now)
            if transfer.isStalled(at: now) { finish(transfer.id, .failure(transfer.stallError)) }
        }
    }

    private func finish(_ id: UInt64, _ result: Result<Void, TransferError>) {
        guard let transfer = transfers.removeValue(forKey: id) else { return }
        curl_multi_remove_handle(multi, transfer.easy)
        transfer.receiver.complete(result)
    }
}
