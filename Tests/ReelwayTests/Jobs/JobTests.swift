import Testing

@testable import reelway

/// The states and the rests between attempts, as tables.
struct JobTests {
    @Test(arguments: [
        (JobState.pending, JobState.Event.triggered, JobState?.some(.pending)),
        (.pending, .reset, .pending), (.pending, .claimed, .processing), (.pending, .cancelled, .failed),
        (.pending, .heartbeat, nil), (.pending, .progressed, nil), (.pending, .completed, nil),
        (.pending, .released, nil),
        (.pending, .failed(.internal), nil), (.pending, .leaseExpired, nil),
        (.processing, .triggered, nil), (.processing, .reset, nil), (.processing, .claimed, nil),
        (.processing, .cancelled, .failed), (.processing, .heartbeat, .processing),
        (.processing, .progressed, .processing),
        (.processing, .completed, .ready), (.processing, .released, .pending),
        (.processing, .failed(.sourceUnavailable), .pending), (.processing, .failed(.sourceCorrupt), .failed),
        (.processing, .leaseExpired, .processing),
        (.ready, .triggered, nil), (.ready, .reset, .pending), (.ready, .claimed, nil), (.ready, .cancelled, nil),
        (.ready, .completed, nil), (.ready, .failed(.internal), nil), (.ready, .leaseExpired, nil),
        (.failed, .triggered, .pending), (.failed, .reset, .pending), (.failed, .claimed, nil),
        (.failed, .cancelled, nil),
        (.failed, .completed, nil), (.failed, .heartbeat, nil), (.failed, .released, nil),
    ])
    func `an event leads from one state to another or is refused`(
        state: JobState, event: JobState.Event, expected: JobState?
    ) {
        #expect(state.after(event, attempt: 1, of: 5) == expected)
    }

    @Test func `the last attempt is the last, whether it fails or kills its worker`() {
        #expect(JobState.processing.after(.failed(.sourceUnavailable), attempt: 4, of: 5) == .pending)
        #expect(JobState.processing.after(.failed(.sourceUnavailable), attempt: 5, of: 5) == .failed)
        #expect(JobState.processing.after(.leaseExpired, attempt: 4, of: 5) == .processing)
        #expect(JobState.processing.after(.leaseExpired, attempt: 5, of: 5) == .failed)
        #expect(JobState.processing.after(.leaseExpired, attempt: 9, of: 5) == .failed)
    }

    @Test func `each code of the contract is transient or permanent as it says`() {
        let transient = [
            "source_unavailable", "source_throttled", "storage_unavailable", "database_unavailable", "lease_lost",
            "out_of_memory", "internal",
        ]
        let permanent = [
            "usage", "input_not_found", "unsupported_container", "no_video_stream", "unsupported_video_codec",
            "source_truncated", "source_corrupt", "source_changed", "source_hash_mismatch", "source_forbidden",
            "too_short",
            "too_long", "too_large", "source_auth", "storage_auth", "storage_rejected", "output_exists", "cancelled",
        ]
        #expect(Set(ErrorCode.allCases.filter(\.isTransient).map(\.rawValue)) == Set(transient))
        #expect(Set(ErrorCode.allCases.filter { !$0.isTransient }.map(\.rawValue)) == Set(permanent))
    }

    @Test(arguments: [(1, 5.0), (2, 10), (3, 20), (4, 40), (8, 640), (9, 900), (1000, 900), (0, 5), (-3, 5)])
    func `the rest doubles with each attempt up to the longest, half of it by chance`(attempt: Int, full: Double) {
        let policy = AttemptPolicy(attempts: 5, base: 5, longest: 900)
        #expect(policy.delay(afterAttempt: attempt, random: 0) == full / 2)
        #expect(abs(policy.delay(afterAttempt: attempt, random: 0.999_999) - full) < 0.001)
    }

    @Test func `a service that asks for time gets it, within a day`() {
        let policy = AttemptPolicy(attempts: 5, base: 5, longest: 900)
        #expect(policy.delay(afterAttempt: 1, retryAfter: 120, random: 0) == 120)
        #expect(policy.delay(afterAttempt: 1, retryAfter: 1, random: 0) == 2.5)
        #expect(policy.delay(afterAttempt: 1, retryAfter: 1e12, random: 0) == 86_400)
        #expect(policy.delay(afterAttempt: 1, retryAfter: -5, random: 0) == 2.5)
    }
}
