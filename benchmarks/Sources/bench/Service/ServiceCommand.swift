import ArgumentParser
import FoundationEssentials

/// `reelway serve`: its endpoint, its queue, its workers.
struct ServiceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service", abstract: "The service with PostgreSQL: requests a second, latency, the queue.")

    @OptionGroup var options: BenchOptions

    func run() throws {
        try BenchCase.run(ServiceCases.all, part: "service", options)
    }
}

/// What the service is measured by.
enum ServiceCases {
    static let all = [
        BenchCase(
            name: "throughput",
            title: "POST /transcode as fast as it goes: wrk, PostgreSQL and Reelway on the same cores", body: throughput
        ),
        BenchCase(name: "latency", title: "POST /transcode 200 times a second while a transcode runs", body: latency),
        BenchCase(name: "claim", title: "A worker's claim with 100,000 waiting videos", body: claim),
        BenchCase(name: "trigger", title: "From trigger to the first byte requested from OneDrive", body: trigger),
        BenchCase(name: "replicas", title: "Two replicas of `serve` and one queue", body: replicas),
    ]

    private static func throughput(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let seconds = options.quick ? 5 : 15
        let database = try ServiceDatabase()
        // Each is asked for once or a few times: the first time it is written.
        let videos = options.quick ? 20_000 : 100_000
        try database.addVideos(videos, items: ["item"], status: "failed")
        let service = try Service(database, ["STORAGE_DIR": Workplace.scratch("media")], ["--role", "http"])
        let script = Workplace.scratch("wrk.lua")
        try Files.write(
            """
            local threads = 0
            function setup(thread) thread:set("first", threads); threads = threads + 1 end
            wrk.method = "POST"
            wrk.headers["Authorization"] = "Bearer \(Service.token)"
            wrk.headers["Content-Type"] = "application/json"
            local number = 0
            function request()
                number = number + 1
                local id = (first * \(videos / 2) + number) % \(videos) + 1
                return wrk.format(nil, "/transcode", nil, string.format('{"videoId":"00000000-0000-4000-8000-%012d"}', id))
            end
            local bad = 0
            function response(status) if status ~= 202 then bad = bad + 1 end end
            function done(summary, latency)
                local e = summary.errors
                print(string.format("counted %d %d %d %f %f", summary.requests, summary.duration,
                    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
            end
            """, to: script)
        for _ in 0..<(options.runs ?? (options.quick ? 1 : 3)) {
            let text = try Command(
                "wrk", ["-t2", "-c64", "-d\(seconds)s", "-s", script, "http://127.0.0.1:\(service.port)"]
            ).text()
            let words = text.split(separator: "\n").last { $0.hasPrefix("counted ") }?.split(separator: " ").dropFirst()
            let values = (words ?? []).compactMap { Double($0) }
            guard values.count == 5 else { throw BenchError("wrk did not count:\n\(text)") }
            guard values[2] == 0 else { throw BenchError("\(Int(values[2])) requests failed:\n\(text)") }
            let figures = [
                Figure(name: "requests", value: values[0]),
                Figure(name: "requests a second", value: values[0] / values[1] * 1e6),
                Figure(name: "median ms", value: values[3] / 1000), Figure(name: "p99 ms", value: values[4] / 1000),
            ]
            Progress.say("\(Numbers.short(figures[1].value)) requests a second")
            result.rows.append(Row(program: "run \(result.rows.count + 1)", figures: figures))
        }
        let queued = try database.number("select count(*) from product_videos where social_ready_status = 'pending'")
        _ = try service.stop()
        try database.remove()
        result.notes.append("\(queued) videos were queued by it; the rest of the requests asked for those again.")
        result.demand(
            "4", "trigger endpoint, requests a second", atLeast: 2000,
            try result.rows.map { try $0.figure("requests a second") }.median, "")
    }

    private static func latency(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).foreign(seconds: 16)
        let drive = try OneDriveStandIn(serving: [source])
        let link = try StoreLink()
        let database = try ServiceDatabase()
        let item = try drive.item(source)
        let seconds = options.quick ? 5.0 : 20
        let count = Int(seconds * 200)
        try database.addVideos(count, items: ["item"], status: "failed")
        // Long ones ahead of the queue, one at a time.
        try database.addVideos(10, items: [item], status: "pending", from: 1_000_000)
        let service = try Service(
            database, environment(drive, link), ["--concurrency", "1"])
        let running = "select count(*) from product_videos where social_ready_stage in ('downloading', 'transcoding')"
        try Waiting.until("a transcode runs") { try database.number(running) > 0 }
        let outcome = try LoadGenerator(port: service.port, rate: 200, seconds: seconds) { number in
            Service.trigger(ServiceDatabase.id(1 + number))
        }.run()
        let attempts = try database.number(
            "select sum(social_ready_attempts) from product_videos where id >= '\(ServiceDatabase.id(1_000_000))'")
        let stillRuns = try database.number(
            "select count(*) from product_videos where social_ready_status = 'processing'")
        guard stillRuns > 0 else { throw BenchError("no transcode ran at the end of the load") }
        // It still has a transcode under way, which it gives back.
        _ = try service.stop()
        try drive.stop()
        try link.stop()
        try database.remove()
        guard outcome.statuses == [202: count] else { throw BenchError("not all were queued: \(outcome.statuses)") }
        let milliseconds = outcome.latencies.map { $0 * 1000 }
        result.rows = [
            Row(
                program: "200 a second, \(Numbers.short(seconds)) s",
                figures: [
                    Figure(name: "requests", value: Double(count)),
                    Figure(name: "median ms", value: milliseconds.median),
                    Figure(name: "p99 ms", value: milliseconds.percentile(0.99)),
                    Figure(name: "most ms", value: milliseconds.max() ?? .nan),
                    Figure(name: "transcodes begun", value: Double(attempts)),
                ])
        ]
        result.demand(
            "4", "p99 at 200 requests a second beside a transcode", atMost: 20, milliseconds.percentile(0.99), "ms")
    }

    private static func environment(_ drive: OneDriveStandIn, _ link: StoreLink) -> [String: String] {
        drive.environment.merging(link.environment) { $1 }.merging(["STORAGE_BUCKET": StoreLink.bucket]) { $1 }
    }

    private static func claim(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let drive = try OneDriveStandIn(serving: [try NaturalClips(folder: options.clips).clip("park")])
        let link = try StoreLink()
        let database = try ServiceDatabase()
        try database.addVideos(100_000, items: ["no-such-item"], status: "pending")
        // The server itself says how long each statement took; the videos fail at once, as their items don't exist.
        try database.query("alter system set log_min_duration_statement = 0")
        try database.query("select pg_reload_conf()")
        let log = try ServerLog()
        let service = try Service(database, environment(drive, link), ["--concurrency", "2"])
        try Waiting.until("videos are claimed") {
            try service.metric("reelway_claims_total") >= (options.quick ? 100 : 1000)
        }
        try database.query("alter system reset log_min_duration_statement")
        try database.query("select pg_reload_conf()")
        _ = try service.stop()
        try drive.stop()
        try link.stop()
        let times = try log.milliseconds(of: "with used_up as (")
        let waiting = try database.number(
            "select count(*) from product_videos where social_ready_next_attempt_at is not null")
        try database.remove()
        guard times.count >= 50 else { throw BenchError("the server's log names only \(times.count) claims") }
        result.rows = [
            Row(
                program: "claim, by the server's log",
                figures: [
                    Figure(name: "claims", value: Double(times.count)),
                    Figure(name: "still waiting", value: Double(waiting)),
                    Figure(name: "median ms", value: times.median),
                    Figure(name: "p99 ms", value: times.percentile(0.99)),
                ])
        ]
        result.demand("4", "claim with 100,000 waiting, p99", atMost: 5, times.percentile(0.99), "ms")
    }

    private static func trigger(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).conforming(seconds: 16, megabits: 14)
        let drive = try OneDriveStandIn(serving: [source])
        let link = try StoreLink()
        let database = try ServiceDatabase()
        let count = options.runs ?? (options.quick ? 5 : 20)
        try database.addVideos(count, items: [try drive.item(source)], status: "failed")
        let service = try Service(database, environment(drive, link), ["--concurrency", "1"])
        let line = try HTTPLine(port: service.port)
        var asked: [Double] = []
        for number in 1...count {
            asked.append(Date.now.timeIntervalSince1970)
            guard try line.ask(Service.trigger(ServiceDatabase.id(number))) == 202 else {
                throw BenchError("video \(number) was not queued")
            }
            let state = "select social_ready_status from product_videos where id = '\(ServiceDatabase.id(number))'"
            try Waiting.until(
                "video \(number) is ready",
                while: {
                    ["pending", "processing", "ready"].contains(
                        (try? database.query(state).split(whereSeparator: \.isNewline).first) ?? "")
                }
            ) {
                try database.query(state).hasPrefix("ready")
            }
        }
        _ = try service.stop()
        let requests = try drive.stop()
        try link.stop()
        try database.remove()
        func delays(_ fits: (OneDriveStandIn.Request) -> Bool) throws -> [Double] {
            try asked.map { time in
                guard let first = requests.filter({ $0.arrived >= time && fits($0) }).map(\.arrived).min() else {
                    throw BenchError("OneDrive was not asked after a trigger")
                }
                return (first - time) * 1000
            }
        }
        let (graph, bytes) = (try delays { _ in true }, try delays { $0.path.hasPrefix("/personal/") })
        result.rows = [("first request to OneDrive", graph), ("first byte of the file requested", bytes)].map {
            name, values in
            Row(
                program: name,
                figures: [
                    Figure(name: "triggers", value: Double(values.count)),
                    Figure(name: "median ms", value: values.median),
                    Figure(name: "most ms", value: values.max() ?? .nan),
                ])
        }
        result.demand("4", "trigger to first byte requested, median", atMost: 100, bytes.median, "ms")
    }

    private static func replicas(_ options: BenchOptions, _ result: inout CaseResult) throws {
        let source = try NaturalClips(folder: options.clips).conforming(seconds: 16, megabits: 14)
        let drive = try OneDriveStandIn(serving: [source])
        let link = try StoreLink()
        let database = try ServiceDatabase()
        let count = options.quick ? 10 : 40
        let services = try (0..<2).map { _ in try Service(database, environment(drive, link), ["--concurrency", "2"]) }
        let begun = ContinuousClock.now
        try database.addVideos(count, items: [try drive.item(source)], status: "pending")
        try Waiting.until("the queue is done", within: 300) {
            try database.number("select count(*) from product_videos where social_ready_status in ('ready', 'failed')")
                == count
        }
        let wall = begun.duration(to: .now) / .seconds(1)
        let ready = try database.number("select count(*) from product_videos where social_ready_status = 'ready'")
        let fences = try database.number("select sum(social_ready_fence) from product_videos")
        let objects = try database.number("select count(*) from reelway_objects")
        let claims = try services.map { try $0.metric("reelway_claims_total") }
        for service in services { _ = try service.stop() }
        try drive.stop()
        let stored = try link.stop().filter { $0.subject?.hasPrefix("CompleteMultipartUpload") ?? false }.count
        try database.remove()
        result.rows = [
            Row(
                program: "two replicas",
                figures: [
                    Figure(name: "videos", value: Double(count)), Figure(name: "ready", value: Double(ready)),
                    Figure(name: "claims of the first", value: claims[0]),
                    Figure(name: "claims of the second", value: claims[1]),
                    Figure(name: "objects", value: Double(objects)),
                    Figure(name: "uploads completed", value: Double(stored)),
                    Figure(name: "seconds", value: wall),
                ])
        ]
        result.demand("4", "two replicas: ready videos, of \(count)", atLeast: Double(count), Double(ready), "")
        result.demand("4", "two replicas: claims a video", atMost: 1, Double(fences) / Double(count), "")
        result.demand("4", "two replicas: uploads completed a video", atMost: 1, Double(stored) / Double(count), "")
        result.demand("4", "two replicas: videos of the idler one", atLeast: 1, claims.min() ?? 0, "")
    }
}

/// The log of the test server, from where it stood on.
struct ServerLog {
    private let path: String
    private let start: Int64

    init() throws {
        guard let home = ProcessInfo.processInfo.environment["REELWAY_TEST_POSTGRES_HOME"] else {
            throw BenchError("the test server's folder is not known")
        }
        path = home + "/main.log"
        start = try Files.size(path)
    }

    /// Milliseconds of each statement that begins so: of parsing, binding and running it together.
    func milliseconds(of beginning: String) throws -> [Double] {
        let text = try Command("tail", ["-c", "+\(start + 1)", path]).text()
        // One session's lines follow each other, but those of two may mix: a process's number leads each line.
        var open: [Substring: Double] = [:]
        var times: [Double] = []
        for line in text.split(separator: "\n") {
            guard
                let found = line.firstMatch(
                    of: /\[([0-9]+)\] LOG:  duration: ([0-9.]+) ms  (parse|bind|execute) [^:]*: (.*)/),
                found.4.hasPrefix(beginning), let time = Double(found.2)
            else { continue }
            open[found.1, default: 0] += time
            if found.3 == "execute", let sum = open.removeValue(forKey: found.1) { times.append(sum) }
        }
        return times
    }
}
