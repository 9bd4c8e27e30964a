import Foundation
import Media
import Synchronization

/// What the service has done since it started, counted for Prometheus.
///
/// ```
/// RequestLog ─ answered ─┐
/// Worker ─ claimed, ended┼─▶ Metrics ─ text ─▶ GET /metrics
/// EventStream ─ streams ─┘                └── jobs by state, from the database
/// ```
final class Metrics: Sendable {
    /// How a claimed video left the worker.
    enum Outcome: String, Sendable, CaseIterable {
        case ready
        case failed
        /// Failed for now; it will be tried again.
        case retried
        /// Given back unharmed: the program ended or the lease was lost.
        case released
        /// The database didn't take what became of it: its lease has to run out.
        case unwritten
    }

    private struct Request: Hashable {
        let route: String
        let method: String
        let status: Int
    }

    private struct Transcode: Hashable {
        let outcome: Outcome
        let code: String
    }

    private struct State {
        var requests: [Request: Int] = [:]
        var requestSeconds: [String: Histogram] = [:]
        var transcodes: [Transcode: Int] = [:]
        var transcodeSeconds = Histogram([1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600])
        var claims = 0
        var bytesRead: Int64 = 0
        var bytesWritten: Int64 = 0
        var running = 0
        var hung = 0
        var streams = 0
    }

    private let state = Mutex(State())
    private let started = Date.now

    /// A request was answered; for a stream, its head was.
    func answered(route: String, method: String, status: Int, seconds: Double) {
        state.withLock { state in
            state.requests[Request(route: route, method: method, status: status), default: 0] += 1
            state.requestSeconds[
                route, default: Histogram([0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 60])
            ].add(seconds)
        }
    }

    /// A worker took a video.
    func claimed() {
        state.withLock { state in
            state.claims += 1
            state.running += 1
        }
    }

    /// A worker is done with a video that it had claimed.
    ///
    /// - Parameters:
    ///   - code: why it isn't ready; `nil` where it is.
    ///   - seconds: since it was claimed.
    ///   - bytesRead: of the source, as far as it came.
    ///   - bytesWritten: to the store.
    func ended(_ outcome: Outcome, code: ErrorCode?, seconds: Double, bytesRead: Int64, bytesWritten: Int64) {
        state.withLock { state in
            state.running -= 1
            state.transcodes[Transcode(outcome: outcome, code: code?.rawValue ?? ""), default: 0] += 1
            if outcome == .ready { state.transcodeSeconds.add(seconds) }
            state.bytesRead += bytesRead
            state.bytesWritten += bytesWritten
        }
    }

    /// Threads of videos that were given up began to hang, or ended after all.
    func hung(_ change: Int) { state.withLock { $0.hung += change } }

    /// Counts a stream of events in, unless there are too many.
    func openStream(most: Int) -> Bool {
        state.withLock { state in
            guard state.streams < most else { return false }
            state.streams += 1
            return true
        }
    }

    /// Counts a stream of events out.
    func closeStream() { state.withLock { $0.streams -= 1 } }

    /// All of it in Prometheus' text format 0.0.4.
    ///
    /// - Parameter queue: how many videos there are; `nil` where the database doesn't answer.
    func text(queue: QueueCounts?) -> String {
        var page = MetricsPage()
        page.family("reelway_info", .gauge, "The version that runs.")
        page.sample("reelway_info", ["version": Reelway.version], 1)
        page.family("reelway_database_up", .gauge, "Whether the database answered this scrape.")
        page.sample("reelway_database_up", [:], queue == nil ? 0 : 1)
        if let queue {
            page.family("reelway_jobs", .gauge, "Videos by state.")
            for state in JobState.allCases {
                page.sample("reelway_jobs", ["state": state.rawValue], Double(queue.videos[state] ?? 0))
            }
            page.family("reelway_jobs_due", .gauge, "Videos that wait for a worker now.")
            page.sample("reelway_jobs_due", [:], Double(queue.due))
            page.family("reelway_oldest_due_seconds", .gauge, "How long the first of them has waited.")
            page.sample("reelway_oldest_due_seconds", [:], queue.oldestDueSeconds)
            page.family("reelway_leases_expired", .gauge, "Videos whose worker has gone silent.")
            page.sample("reelway_leases_expired", [:], Double(queue.expiredLeases))
        }
        state.withLock { state in
            page.family("reelway_claims_total", .counter, "Videos a worker of this process took.")
            page.sample("reelway_claims_total", [:], Double(state.claims))
            page.family("reelway_running", .gauge, "Videos this process is working on.")
            page.sample("reelway_running", [:], Double(state.running))
            page.family("reelway_hung", .gauge, "Threads that hang in a codec; each takes a video's place.")
            page.sample("reelway_hung", [:], Double(state.hung))
            page.family("reelway_transcodes_total", .counter, "Videos this process is done with, by outcome and code.")
            for (key, count) in state.transcodes.sorted(by: { "\($0.key)" < "\($1.key)" }) {
                page.sample(
                    "reelway_transcodes_total", ["outcome": key.outcome.rawValue, "code": key.code], Double(count))
            }
            page.family("reelway_transcode_seconds", .histogram, "From claim to ready.")
            page.histogram("reelway_transcode_seconds", [:], state.transcodeSeconds)
            page.family("reelway_source_bytes_total", .counter, "Bytes read from sources.")
            page.sample("reelway_source_bytes_total", [:], Double(state.bytesRead))
            page.family("reelway_stored_bytes_total", .counter, "Bytes written to the store.")
            page.sample("reelway_stored_bytes_total", [:], Double(state.bytesWritten))
            page.family("reelway_event_streams", .gauge, "Open streams of events.")
            page.sample("reelway_event_streams", [:], Double(state.streams))
            page.family("reelway_http_requests_total", .counter, "Requests by route, method and status.")
            for (key, count) in state.requests.sorted(by: { "\($0.key)" < "\($1.key)" }) {
                page.sample(
                    "reelway_http_requests_total",
                    ["route": key.route, "method": key.method, "status": String(key.status)], Double(count))
            }
            page.family("reelway_http_request_seconds", .histogram, "From a request's head to its answer's head.")
            for (route, histogram) in state.requestSeconds.sorted(by: { $0.key < $1.key }) {
                page.histogram("reelway_http_request_seconds", ["route": route], histogram)
            }
        }
        page.family("process_start_time_seconds", .gauge, "When the process began, in seconds since 1970.")
        page.sample("process_start_time_seconds", [:], started.timeIntervalSince1970)
        return page.text
    }
}

/// How often a measure fell under each of some bounds.
struct Histogram: Sendable {
    private(set) var buckets: [(bound: Double, count: Int)]
    private(set) var count = 0
    private(set) var sum = 0.0

    init(_ bounds: [Double]) { buckets = bounds.map { ($0, 0) } }

    mutating func add(_ value: Double) {
        count += 1
        sum += value
        for index in buckets.indices where value <= buckets[index].bound { buckets[index].count += 1 }
    }
}

/// Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
struct MetricsPage {
    enum Kind: String {
        case counter, gauge, histogram
    }

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: [String: String], _ value: Double) {
        let list = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
        text += "\(name)\(list.isEmpty ? "" : "{\(list.joined(separator: ","))}") \(Self.number(value))\n"
    }

    mutating func histogram(_ name: String, _ labels: [String: String], _ histogram: Histogram) {
        for bucket in histogram.buckets {
            sample(
                "\(name)_bucket", labels.merging(["le": Self.number(bucket.bound)]) { $1 }, Double(bucket.count))
        }
        sample("\(name)_bucket", labels.merging(["le": "+Inf"]) { $1 }, Double(histogram.count))
        sample("\(name)_sum", labels, histogram.sum)
        sample("\(name)_count", labels, Double(histogram.count))
    }

    private static func number(_ value: Double) -> String {
        let whole = value.rounded()
        return whole == value && abs(value) < 1e15 ? String(Int64(whole)) : "\(value)"
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
