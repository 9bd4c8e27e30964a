import Testing

@testable import Transfer

struct DownloadStateTests {
    private func waits(_ actions: [DownloadState.Action]) -> [Double] {
        actions.compactMap { if case .wake(let seconds) = $0 { seconds } else { nil } }
    }

    @Test func `a timer that rings before its time is set again`() {
        var state = DownloadState(
            SourceAddress("https://a/x", canRenew: false, allows: { _ in true }), name: "clip", expectedLength: nil,
            options: .init())
        var actions: [DownloadState.Action] = []
        state.pump(now: 100, &actions)
        let busy = HTTPHead(status: 503, headers: [(name: "Retry-After", value: "10")])
        #expect(!state.head(1, busy, now: 100, epoch: 0, &actions))
        #expect(waits(actions) == [10])
        // As after a sleep that the one clock counts and the other doesn't.
        actions = []
        state.timer(now: 103, &actions)
        #expect(waits(actions) == [7])
        actions = []
        state.timer(now: 120, &actions)
        #expect(actions.contains { if case .fetch = $0 { true } else { false } })
    }

    /// A download of which the first chunk has come, and which has asked for the second; for an impatient caller.
    private func underWay() throws -> DownloadState {
        var options = RangedSource.Options()
        options.connections = 1
        options.retry = RetryPolicy(patienceSeconds: 3)
        var state = DownloadState(
            SourceAddress("https://a/x", canRenew: true, allows: { _ in true }), name: "clip", expectedLength: nil,
            options: options)
        var actions: [DownloadState.Action] = []
        state.pump(now: 0, &actions)
        let chunk = Int(DownloadWindow.smallest)
        let head = HTTPHead(
            status: 206, headers: [(name: "Content-Range", value: "bytes 0-\(chunk - 1)/\(100 * chunk)")])
        try #require(state.head(1, head, now: 0, epoch: 0, &actions))
        _ = [UInt8](repeating: 0, count: chunk).withUnsafeBytes { state.bytes(1, $0, now: 0, &actions) }
        state.complete(1, .success(()), now: 0, &actions)
        var scratch = [UInt8](repeating: 1, count: 1000)
        _ = try scratch.withUnsafeMutableBytes { try state.read(into: $0, at: 0, now: 0, &actions) }
        try #require(state.isUnderWay(2))
        return state
    }

    private func busy(_ seconds: Int) -> HTTPHead {
        HTTPHead(status: 429, headers: [(name: "Retry-After", value: "\(seconds)")])
    }

    @Test func `a server that asks for a rest in mid-way gets it, and what has come is read meanwhile`() throws {
        var state = try underWay()
        var actions: [DownloadState.Action] = []
        #expect(!state.head(2, busy(41), now: 0, epoch: 0, &actions))
        #expect(state.failure == nil)
        #expect(waits(actions) == [41])
        state.complete(2, .failure(HTTPTransfer.cancelled), now: 0, &actions)
        var scratch = [UInt8](repeating: 1, count: 1000)
        let count = try scratch.withUnsafeMutableBytes { try state.read(into: $0, at: 1000, now: 20, &actions) }
        #expect(count == 1000)
        #expect(!state.isUnderWay(3))
        state.timer(now: 42, &actions)
        #expect(state.isUnderWay(3))
    }

    @Test func `rests without a byte between them have an end`() throws {
        var state = try underWay()
        var actions: [DownloadState.Action] = []
        for (id, now) in [(2, 0), (3, 201)] as [(UInt64, Double)] {
            #expect(state.failure == nil)
            #expect(state.isUnderWay(id))
            _ = state.head(id, busy(200), now: now, epoch: 0, &actions)
            state.complete(id, .failure(HTTPTransfer.cancelled), now: now, &actions)
            state.timer(now: now + 201, &actions)
        }
        #expect(state.failure?.code == .sourceThrottled)
        #expect(state.failure?.retryAfter == 200)
    }

    @Test func `who gives addresses may ask for a rest too`() throws {
        var state = try underWay()
        var actions: [DownloadState.Action] = []
        #expect(!state.head(2, HTTPHead(status: 401), now: 0, epoch: 0, &actions))
        state.complete(2, .failure(HTTPTransfer.cancelled), now: 0, &actions)
        actions = []
        state.renewed(.failure(TransferError(.sourceThrottled, "busy", retryAfter: 41)), now: 0, &actions)
        #expect(state.failure == nil)
        #expect(waits(actions) == [41])
        state.timer(now: 41, &actions)
        #expect(state.isUnderWay(3))
        actions = []
        #expect(!state.head(3, HTTPHead(status: 401), now: 41, epoch: 0, &actions))
        #expect(actions.contains { if case .renew = $0 { true } else { false } })
    }
}
