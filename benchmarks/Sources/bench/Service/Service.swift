import FoundationEssentials
import Glibc

/// A running `reelway serve` on a database of its own.
final class Service {
    let database: ServiceDatabase
    let port: UInt16
    private let child: Child
    private let output: String
    static let token = "bench-token-of-no-meaning"

    init(_ database: ServiceDatabase, _ environment: [String: String], _ arguments: [String]) throws {
        self.database = database
        output = Workplace.scratch("serve-\(UniqueNumber.next()).txt")
        let settings = [
            "DATABASE_URL": database.url, "REELWAY_API_TOKEN": Service.token, "PORT": "0", "LOG_LEVEL": "warning",
        ]
        let child = try Child(
            Command(
                Workplace.reelway, ["serve"] + arguments, environment: environment.merging(settings) { $1 },
                output: output))
        let output = output
        try Waiting.until("reelway serve listens\n\(child.errors)", while: { child.isRunning }) {
            try Files.text(output).contains("listening on http://")
        }
        self.child = child
        guard let port = UInt16(try Files.text(output).split(separator: ":").last?.filter(\.isNumber) ?? "") else {
            throw BenchError("reelway serve names no port")
        }
        self.port = port
    }

    deinit { Files.remove(output) }

    /// The bytes of a request that asks for a video's transcode.
    static func trigger(_ id: String) -> String {
        let body = "{\"videoId\":\"\(id)\"}"
        return "POST /transcode HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(token)\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// A counter or gauge of GET /metrics.
    func metric(_ name: String) throws -> Double {
        let text = try HTTPLine(port: port).answer(
            "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(Service.token)\r\n\r\n"
        ).body
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") }),
            let value = Double(line.split(separator: " ").last ?? "")
        else { throw BenchError("/metrics has no \(name)") }
        return value
    }

    func stop() throws -> Usage {
        child.signal(SIGTERM)
        return try child.finish()
    }
}

/// A migrated database on the server that Tests/services/run started.
struct ServiceDatabase {
    let url: String
    private let name: String
    private let server: String

    init() throws {
        guard let server = ProcessInfo.processInfo.environment["REELWAY_TEST_DATABASE_URL"] else {
            throw BenchError("start it with a database: Tests/services/run postgres seaweedfs -- …, as make bench does")
        }
        self.server = server
        name = "bench_\(getpid())_\(UniqueNumber.next())"
        try ServiceDatabase.psql(server, "create database \(name)")
        url = server.replacing(/\/[^\/]*$/, with: "/\(name)")
        try Command(Workplace.reelway, ["migrate", "--standalone"], environment: ["DATABASE_URL": url]).run()
    }

    /// Runs a statement and gives back what it printed.
    @discardableResult
    func query(_ sql: String) throws -> String { try ServiceDatabase.psql(url, sql) }

    func number(_ sql: String) throws -> Int {
        guard let number = Int(try query(sql).filter { $0.isNumber || $0 == "-" }) else {
            throw BenchError("no number came of: \(sql)")
        }
        return number
    }

    func remove() throws { try ServiceDatabase.psql(server, "drop database \(name) with (force)") }

    @discardableResult
    private static func psql(_ url: String, _ sql: String) throws -> String {
        try Command(
            "psql",
            ["--no-psqlrc", "-w", "--quiet", "--no-align", "--tuples-only", "-v", "ON_ERROR_STOP=1", url, "-c", sql]
        ).text()
    }

    /// The id of video number N, as `addVideos` makes them.
    static func id(_ number: Int) -> String {
        let digits = "\(number)"
        return "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    /// Adds videos 1 … count, of the items in turn; `failed` ones wait for nothing, `pending` ones for a worker.
    func addVideos(_ count: Int, items: [String], status: String, from first: Int = 1) throws {
        let list = items.map { "'\($0)'" }.joined(separator: ",")
        try query(
            """
            insert into product_videos (id, product_id, onedrive_file_id, filename, social_ready_status, social_ready_error)
            select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'bench',
                (array[\(list)])[1 + n % \(items.count)], 'clip.mp4', '\(status)',
                case when '\(status)' = 'failed' then 'internal: not tried yet' end
            from generate_series(\(first), \(first + count - 1)) n
            """)
        try query("vacuum analyze product_videos")
    }
}
