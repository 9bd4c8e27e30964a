import Synchronization

/// One request that a loopback server took, and what became of it.
public struct RecordedRequest: Sendable {
    /// How the exchange ended.
    public enum Outcome: String, Sendable {
        /// It still runs.
        case open
        /// The whole answer was sent.
        case answered
        /// A fault ended the connection.
        case cut
        /// The client ended the connection.
        case abandoned
    }

    /// Counts from 0 since the server's start, in the order of arrival.
    public let index: Int
    /// The connection's number.
    public let connection: Int
    /// `GET`, `PUT` …
    public let method: String
    /// Path and query exactly as sent.
    public let target: String
    /// In the order sent.
    public let headers: [(name: String, value: String)]
    /// When its head arrived.
    public let arrived: ContinuousClock.Instant
    /// When it ended.
    public var finished: ContinuousClock.Instant?
    /// The answer's status; `nil` if none was sent.
    public var status: Int?
    /// Bytes of the answer's body that were sent.
    public var bytesSent: Int64 = 0
    /// Bytes of the request's body that were read.
    public var bytesReceived: Int64 = 0
    /// How it ended.
    public var outcome = Outcome.open
    /// The fault that was played, as its name; `nil` for none.
    public var fault: String?
    /// What the request was about, in the server's own words, such as an item's name.
    public var subject: String?

    /// The part of the target before `?`.
    public var path: String { target.firstIndex(of: "?").map { String(target[..<$0]) } ?? target }
    /// The part of the target after `?`.
    public var query: String? { target.firstIndex(of: "?").map { String(target[target.index(after: $0)...]) } }
    /// The Range header.
    public var range: String? { self["Range"] }

    /// The first header of that name, whatever its case.
    public subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// Every request of one or more servers, in the order of arrival, as it stands now.
public final class Journal: Sendable {
    private let state = Mutex((entries: [RecordedRequest](), forgotten: 0, connections: 0))

    /// Makes an empty journal.
    public init() {}

    /// All that arrived since the start or the last `clear`.
    public var requests: [RecordedRequest] { state.withLock { $0.entries } }

    /// Forgets all requests so far, those under way too.
    public func clear() {
        state.withLock { state in
            state.forgotten += state.entries.count
            state.entries.removeAll()
        }
    }

    /// Waits until a recorded request fits; `nil` when none does in time.
    public func first(
        within time: Duration = .seconds(10), where fits: (RecordedRequest) -> Bool
    ) async throws -> RecordedRequest? {
        let end = ContinuousClock.now + time
        while true {
            if let found = requests.first(where: fits) { return found }
            guard .now < end else { return nil }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    func nextConnection() -> Int {
        state.withLock { state in
            state.connections += 1
            return state.connections
        }
    }

    func open(_ request: LoopbackRequest, connection: Int) -> Int {
        state.withLock { state in
            let index = state.forgotten + state.entries.count
            state.entries.append(
                RecordedRequest(
                    index: index, connection: connection, method: request.method, target: request.target,
                    headers: request.headers, arrived: .now))
            return index
        }
    }

    func update(_ index: Int, _ change: (inout RecordedRequest) -> Void) {
        state.withLock { state in
            let place = index - state.forgotten
            if state.entries.indices.contains(place) { change(&state.entries[place]) }
        }
    }
}
