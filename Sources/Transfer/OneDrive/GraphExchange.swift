/// Makes a request of Graph or of the token endpoint until it works or mustn't be made again.
struct GraphExchange: Sendable {
    let client: HTTPClient
    let retry: RetryPolicy

    /// What an answer means.
    enum Verdict<Value: Sendable>: Sendable {
        case done(Value)
        case again(RetryPolicy.Fault, TransferError)
        case failed(TransferError)
    }

    /// Repeats what fails in passing, as the policy says. Suspends; a cancelled task throws `cancelled`.
    func perform<Value: Sendable>(
        _ request: HTTPRequest, _ judge: (HTTPResponse) throws(TransferError) -> Verdict<Value>
    ) async throws(TransferError) -> Value {
        let clock = ContinuousClock()
        var attempt = 0
        var failedFirst: ContinuousClock.Instant?
        while true {
            let fault: RetryPolicy.Fault
            let failure: TransferError
            switch await Result({ () async throws(TransferError) in try await client.response(to: request) }) {
            case .failure(let error) where error.code == .sourceUnavailable && !error.isHopeless:
                (fault, failure) = (.transport, error)
            case .failure(let error):
                throw error
            case .success(let response):
                switch try judge(response) {
                case .done(let value): return value
                case .failed(let error): throw error
                case .again(let why, let error): (fault, failure) = (why, error)
                }
            }
            attempt += 1
            let since = failedFirst ?? clock.now
            failedFirst = since
            let elapsed = (clock.now - since) / .seconds(1)
            let decision = retry.decide(fault, attempt: attempt, elapsed: elapsed, random: .random(in: 0...1))
            guard case .retry(let delay) = decision else { throw failure }
            do {
                try await Task.sleep(for: .seconds(delay))
            } catch {
                throw HTTPTransfer.cancelled
            }
        }
    }
}

extension Result {
    /// What an asynchronous step returns or throws.
    init(_ body: () async throws(Failure) -> Success) async {
        do throws(Failure) {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
