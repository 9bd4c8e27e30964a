import Testing

@testable import Transfer

struct RetryPolicyTests {
    private let policy = RetryPolicy()

    @Test(arguments: [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 30)])
    func `the pause doubles up to its bound, and chance spreads it from nothing`(attempt: Int, ceiling: Double) {
        for random in [0, 0.25, 1] {
            let decision = policy.decide(.transport, attempt: attempt, elapsed: 0, random: random)
            #expect(decision == .retry(after: ceiling * random))
        }
    }

    @Test func `attempts and time are bounded`() {
        #expect(policy.decide(.transport, attempt: 8, elapsed: 0, random: 0) == .giveUp)
        #expect(policy.decide(.transport, attempt: 1, elapsed: 300, random: 0) == .giveUp)
        #expect(policy.decide(.transport, attempt: 7, elapsed: 299, random: 0) == .retry(after: 0))
        #expect(policy.decide(.damage, attempt: 3, elapsed: 0, random: 0) == .retry(after: 0))
        #expect(policy.decide(.damage, attempt: 4, elapsed: 0, random: 0) == .giveUp)
    }

    @Test(arguments: [1.0, 2, 30, 600], [0.0, 3, 20, 200])
    func `a policy with patience gives up before it is over`(patience: Double, asked: Double) {
        let policy = RetryPolicy(patienceSeconds: patience)
        var elapsed = 0.0
        for attempt in 1... {
            guard
                case .retry(let pause) = policy.decide(
                    .status(503, retryAfter: asked), attempt: attempt, elapsed: elapsed, random: 1)
            else { break }
            elapsed += pause
        }
        #expect(elapsed < patience)
    }

    @Test(arguments: [408, 425, 429, 500, 502, 503, 504, 509])
    func `a passing status is tried again`(status: Int) {
        #expect(policy.decide(.status(status), attempt: 1, elapsed: 0, random: 1) == .retry(after: 0.5))
    }

    @Test(arguments: [400, 401, 403, 404, 405, 409, 410, 411, 412, 413, 416, 422, 501, 505, 507])
    func `a final status is not`(status: Int) {
        #expect(policy.decide(.status(status), attempt: 1, elapsed: 0, random: 1) == .giveUp)
    }

    @Test func `what the service asked for is waited for, never less`() {
        #expect(
            policy.decide(.status(429, retryAfter: 41), attempt: 2, elapsed: 0, random: 0) == .retry(after: 41))
        #expect(
            policy.decide(.status(503, retryAfter: 120), attempt: 1, elapsed: 0, random: 1) == .retry(after: 120.5))
        #expect(policy.decide(.status(429, retryAfter: 315), attempt: 1, elapsed: 0, random: 0) == .giveUp)
        #expect(policy.decide(.status(429, retryAfter: 200), attempt: 1, elapsed: 150, random: 0) == .giveUp)
    }

    @Test func `a request that must not happen twice is only repeated where it wasn't taken`() {
        let decide = { policy.decide($0, attempt: 1, elapsed: 0, isIdempotent: false, random: 0) }
        #expect(decide(.status(429)) == .retry(after: 0))
        #expect(decide(.status(503)) == .retry(after: 0))
        #expect(decide(.status(500)) == .giveUp)
        #expect(decide(.status(504)) == .giveUp)
        #expect(decide(.transport) == .giveUp)
    }

    @Test(
        arguments: [
            ("0", 0), ("41", 41), (" 7", 7), ("1.5", 1.5), ("-3", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 24 Nov 2026 13:00:10 GMT", 10), ("Tue, 24 Nov 2026 14:00:00 GMT", 3600),
            ("Tue, 29 Feb 2028 13:00:00 GMT", 39916800),
            ("soon", nil), ("", nil), ("Tue, 24 Nov 2026 13:00:10", nil), ("Tue, 99 Nov 2026 13:00:10 GMT", nil),
            ("Tue, 24 Foo 2026 13:00:10 GMT", nil), ("inf", nil), ("nan", nil),
        ] as [(String, Double?)])
    func `Retry-After is seconds or a date`(value: String, expected: Double?) {
        #expect(RetryPolicy.retryAfter(value, now: 1_795_525_200) == expected)
    }

    @Test func `no Retry-After asks for nothing`() {
        #expect(RetryPolicy.retryAfter(nil, now: 0) == nil)
    }
}
