/// A video that a worker has claimed. Every write about it names the fence, so that a worker whose lease went to another
/// can change nothing.
struct Job: Sendable, Equatable {
    /// The row's id, as text.
    let videoID: String
    /// The OneDrive item.
    let fileID: String
    /// The item's drive; nil for the account's own.
    let driveID: String?
    /// Which attempt this is, from 1.
    let attempt: Int
    /// Who holds the lease.
    let owner: String
    /// Grows with each claim of the row.
    let fence: Int64
}

/// Where a video stands; the value of `social_ready_status`.
///
/// ```
/// pending ──claimed──▶ processing ──completed──▶ ready
///    ▲  ▲                  │  │ ▲                  │
///    │  └─released, failed─┘  │ └─lease expired:   │
///    │    and worth a retry   │   claimed again    │
///    │                        ▼                    │
///    ├──triggered, reset── failed ◀──cancelled,    │
///    └──reset──────────────────────  failed, used up
/// ```
enum JobState: String, Sendable, Codable, CaseIterable {
    case pending, processing, ready, failed

    /// What happens to a video.
    enum Event: Sendable, Equatable {
        /// Someone asks for a transcode.
        case triggered
        /// A worker takes it; not one whose lease runs.
        case claimed
        /// The worker's lease ran out.
        case leaseExpired
        /// Its worker lives.
        case heartbeat
        /// Its worker got further.
        case progressed
        /// Its worker stored the object.
        case completed
        /// Its worker could not.
        case failed(ErrorCode)
        /// Its worker stops for reasons of its own.
        case released
        /// Someone doesn't want it any more.
        case cancelled
        /// Someone wants it made again, whatever there is.
        case reset
    }

    /// The state after an event, or nil where the event changes nothing and its sender is told so.
    ///
    /// - Parameters:
    ///   - event: what happens. Events of a worker are those of the one that holds the lease.
    ///   - attempt: how many attempts were begun, the running one included.
    ///   - attempts: how many there may be.
    func after(_ event: Event, attempt: Int, of attempts: Int) -> JobState? {
        let hasAttemptsLeft = attempt < attempts
        return switch (self, event) {
        case (.pending, .triggered), (.failed, .triggered): .pending
        case (.pending, .reset), (.ready, .reset), (.failed, .reset): .pending
        case (.pending, .claimed): .processing
        case (.processing, .heartbeat), (.processing, .progressed): .processing
        case (.processing, .completed): .ready
        case (.processing, .failed(let code)): code.isTransient && hasAttemptsLeft ? .pending : .failed
        // A worker that died is an attempt like any other: a video that kills its workers ends.
        case (.processing, .leaseExpired): hasAttemptsLeft ? .processing : .failed
        case (.processing, .released): .pending
        case (.pending, .cancelled), (.processing, .cancelled): .failed
        case (.processing, .triggered), (.processing, .reset), (.processing, .claimed): nil
        case (.ready, _), (.failed, _), (.pending, _): nil
        }
    }

    /// The states that an event changes, for the conditions of statements.
    static func changed(by event: Event) -> [JobState] {
        allCases.filter { $0.after(event, attempt: 0, of: 1) != nil }
    }
}

/// How often a video is tried, and how long it rests between.
struct AttemptPolicy: Sendable, Equatable {
    /// Attempts begun before the video is given up.
    var attempts = 5
    /// Seconds before the second attempt; doubled for each further one.
    var base: Double = 5
    /// Seconds between attempts at most, unless a service asks for more.
    var longest: Double = 900

    /// Seconds to wait after an attempt.
    ///
    /// - Parameters:
    ///   - attempt: the attempt that failed, from 1.
    ///   - retryAfter: seconds a service asked to be left alone for; kept, up to a day.
    ///   - random: of 0..<1. Half of the wait is left to chance, so that videos that failed together don't come back
    ///     together.
    func delay(afterAttempt attempt: Int, retryAfter: Double? = nil, random: Double) -> Double {
        var wait = base
        for _ in 1..<max(attempt, 1) where wait < longest { wait *= 2 }
        let jittered = min(wait, longest) * (0.5 + random / 2)
        return max(jittered, min(retryAfter ?? 0, 86_400))
    }
}
