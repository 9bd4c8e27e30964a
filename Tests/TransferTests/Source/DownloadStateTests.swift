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
}
