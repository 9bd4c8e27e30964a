import Foundation

@testable import Postgres

/// The servers of Tests/services/postgres.sh and pgbouncer.sh, and one for a test that stops it.
struct TestServer: Sendable {
    private static let environment = ProcessInfo.processInfo.environment
    /// Whether the services run.
    static let isThere =
        environment["REELWAY_TEST_DATABASE_URL"] != nil && environment["REELWAY_TEST_POOLER_URL"] != nil
    /// A server that all tests share.
    static var shared: String { environment["REELWAY_TEST_DATABASE_URL"] ?? "" }
    /// A transaction pooler before it.
    static var pooler: String { environment["REELWAY_TEST_POOLER_URL"] ?? "" }
    /// The password in each address, as it is.
    static let password = "planted-secret/password"

    /// Its address.
    let address: String
    private let name: String

    /// Starts a server, runs the test and removes the server.
    static func with(_ body: (TestServer) async throws -> Void) async throws {
        let name = "s\(UInt32.random(in: 0 ..< .max))"
        let server = TestServer(address: try await run("new", name), name: name)
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(server))
        } catch {
            result = .failure(error)
        }
        try await run("remove", name)
        try result.get()
    }

    func start() async throws { try await Self.run("start", name) }
    func stop() async throws { try await Self.run("stop", name) }
    /// Ends it as a crash does.
    func kill() async throws { try await Self.run("kill", name) }

    /// The process that accepts connections.
    func process() throws -> Int32 {
        let home = Self.environment["REELWAY_TEST_POSTGRES_HOME"] ?? ""
        let file = try String(contentsOfFile: "\(home)/\(name)/postmaster.pid", encoding: .utf8)
        return Int32(file.split(separator: "\n").first ?? "") ?? 0
    }

    @discardableResult
    private static func run(_ arguments: String...) async throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: environment["REELWAY_TEST_POSTGRES_SERVER"] ?? "")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        let status = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        guard status == 0 else { throw PostgresError(.unexpected, "postgres-server \(arguments) ended with \(status)") }
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

extension Database {
    /// A database on a server, with the limits a test needs.
    init(
        _ address: String, connections: Int = 4, timeout: Duration = .seconds(10),
        connectTimeout: Duration = .seconds(5)
    ) throws {
        var configuration = try Configuration(address: address)
        configuration.connections = connections
        configuration.statementTimeout = timeout
        configuration.connectTimeout = connectTimeout
        self.init(configuration)
    }
}

/// The error a call throws.
func failure(_ body: () async throws -> Void) async -> PostgresError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? PostgresError
    }
}
