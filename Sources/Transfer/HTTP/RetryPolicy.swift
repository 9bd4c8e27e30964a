/// When a failed request is made again. Decides only: the caller waits, and says what time it is and what chance says.
public struct RetryPolicy: Sendable {
    /// So many failures in a row, without progress between them, are too many.
    public var attempts = 8
    /// So many answers in a row that can't be true are: a server that talks nonsense rarely stops to.
    public var damagedAttempts = 4
    /// The longest pause after the first failure, in seconds; it doubles with each further one.
    public var baseSeconds = 0.5
    /// No pause that the service didn't ask for is longer, in seconds.
    public var maximumDelay = 30.0
    /// Nothing is tried again that long after the first failure, in seconds; nor is a longer `Retry-After` waited for.
    public var totalSeconds = 300.0

    /// The defaults.
    public init() {}

    /// For a caller that takes longer silence for a hang: the last failure, or the wait that a service asks for, is told
    /// before that many seconds are over, so that the caller can wait elsewhere. Holds where the client gives a silent
    /// connection up after a third of them.
    public init(patienceSeconds: Double) {
        baseSeconds = min(baseSeconds, patienceSeconds / 20)
        maximumDelay = min(maximumDelay, patienceSeconds / 4)
        totalSeconds = min(totalSeconds, patienceSeconds / 3)
    }

    /// How a request failed.
    enum Fault: Sendable, Equatable {
        /// The service answered so, and may have said how long to wait, in seconds.
        case status(Int, retryAfter: Double? = nil)
        /// No whole answer came.
        case transport
        /// A whole answer came that can't be true.
        case damage
    }

    /// What to do.
    enum Decision: Sendable, Equatable {
        /// Make the request again after so many seconds.
        case retry(after: Double)
        /// Report the failure.
        case giveUp
    }

    /// Decides.
    ///
    /// - Parameters:
    ///   - attempt: how many times the request has failed in a row, at least 1.
    ///   - elapsed: seconds since the first of these failures.
    ///   - isIdempotent: whether making the request twice does no harm. One that isn't is only made again where the
    ///     service says that it didn't take it.
    ///   - random: from 0 to 1; spreads the requests of many clients over the whole pause ("full jitter").
    func decide(
        _ fault: Fault, attempt: Int, elapsed: Double, isIdempotent: Bool = true, random: Double
    ) -> Decision {
        guard attempt < (fault == .damage ? damagedAttempts : attempts), elapsed < totalSeconds else { return .giveUp }
        var asked = 0.0
        switch fault {
        case .status(let status, let retryAfter):
            let wasNotTaken = status == 429 || status == 503
            guard wasNotTaken || (isIdempotent && RetryPolicy.isTransient(status)) else { return .giveUp }
            asked = max(0, retryAfter ?? 0)
        case .transport, .damage:
            guard isIdempotent else { return .giveUp }
        }
        guard elapsed + asked < totalSeconds else { return .giveUp }
        let ceiling = min(maximumDelay, baseSeconds * Double(1 << min(attempt - 1, 20)))
        return .retry(after: asked + ceiling * min(max(random, 0), 1))
    }

    /// Whether the same request may well succeed later. 509 is OneDrive's word for a spent bandwidth allowance.
    static func isTransient(_ status: Int) -> Bool {
        [408, 425, 429, 500, 502, 503, 504, 509].contains(status)
    }

    /// Seconds to wait by a `Retry-After` header: a number of seconds, or a date. `now` is in seconds since 1970. `nil`
    /// for anything else.
    static func retryAfter(_ value: String?, now: Int64) -> Double? {
        guard let value else { return nil }
        let trimmed = value.drop { $0 == " " }
        if let seconds = Double(trimmed), seconds.isFinite { return max(0, seconds) }
        return HTTPDate.seconds(trimmed).map { Double(max(0, $0 - now)) }
    }
}
