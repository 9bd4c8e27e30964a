/// What a download does about failures.
extension DownloadState {
    /// The request's failure has been dealt with: what still comes of it means nothing.
    mutating func settle(_ id: UInt64) {
        requests[id]?.isSettled = true
        requests[id]?.chunk.isActive = false
    }

    /// Makes a request for the rest of a chunk again, later, or gives up.
    mutating func retry(
        _ chunk: DownloadWindow.Chunk, _ fault: RetryPolicy.Fault, _ error: TransferError, now: Double,
        _ actions: inout [Action]
    ) {
        // Enough bytes since the last failure make it the first of a new row.
        if chunk.faults.count == 0 || chunk.reached - chunk.faults.reached >= RangedSource.progressBytes {
            chunk.faults = .init(count: 0, since: now, reached: chunk.reached)
        }
        chunk.faults.count += 1
        var (policy, fault) = (options.retry, fault)
        // Where nothing has come yet, an address is more likely wrong than a server ill.
        if mode == .opening { policy.attempts = min(policy.attempts, 5) }
        // To keep quiet when asked to takes none of the time that failures may take.
        if holdUntil > chunk.faults.since { chunk.faults.since = now }
        if case .status(let status, let asked?) = fault {
            guard hold(asked, now: now) else { return stop(error, &actions) }
            fault = .status(status)
        }
        let decision = policy.decide(
            fault, attempt: chunk.faults.count, elapsed: now - chunk.faults.since, random: .random(in: 0...1))
        guard case .retry(let delay) = decision else { return stop(error, &actions) }
        chunk.retryAt = max(now, holdUntil) + delay
        pump(now: now, &actions)
    }

    /// Makes no request for as long as the server asks, which means all requests; what has come is read meanwhile. Returns
    /// whether that can be borne: before anything came, the caller waits better elsewhere; later what was made of it would
    /// be lost.
    private mutating func hold(_ asked: Double, now: Double) -> Bool {
        let longest = mode == .opening ? options.retry.totalSeconds : options.longestHold
        let since = heldSince ?? now
        guard now + asked - since < longest else { return false }
        heldSince = since
        holdUntil = max(holdUntil, now + asked)
        return true
    }

    /// Goes where a redirect leads.
    mutating func follow(_ location: String, from request: Request, now: Double, _ actions: inout [Action]) {
        request.chunk.retryAt = now
        do throws(TransferError) {
            try address.follow(location, generation: request.generation, name: name)
            pump(now: now, &actions)
        } catch {
            if error.isHopeless { stop(error, &actions) } else { refuse(error, request, now: now, &actions) }
        }
    }

    /// Looks for a new address.
    mutating func refuse(
        _ error: TransferError, _ request: Request, now: Double, _ actions: inout [Action]
    ) {
        request.chunk.retryAt = now
        switch address.refused(generation: request.generation, bytesReceived: received.count) {
        case .goOn: pump(now: now, &actions)
        case .renew: actions.append(.renew)
        case .giveUp: stop(error, &actions)
        }
    }

    /// A new address came, or none could be had. Whoever gave it has made sure that the file is the same.
    mutating func renewed(_ result: Result<String, TransferError>, now: Double, _ actions: inout [Action]) {
        address.renewed(to: try? result.get())
        guard failure == nil else { return }
        switch result {
        case .success:
            version = .init()
            pump(now: now, &actions)
        case .failure(let error):
            // Who gives addresses may be as busy. The old one is refused once more then, which asks again.
            guard mode != .opening, let asked = error.retryAfter, hold(asked, now: now) else {
                return stop(error, &actions)
            }
            pump(now: now, &actions)
        }
    }
}
