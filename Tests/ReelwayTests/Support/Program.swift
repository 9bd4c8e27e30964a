import Foundation
import Synchronization

/// Runs programs, `reelway` itself first of all, and keeps all they say.
final class Program: Sendable {
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    struct Result: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    /// The program under test, built beside the tests.
    static let reelway: String = {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return tests.appendingPathComponent("reelway").path
    }()

    /// Variables that every program needs, or a sanitizer in it.
    private static let passedOn = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS"]

    private let id: pid_t
    private let arguments: [String]
    private let folder: TestFolder
    private let status = Mutex<Int32?>(nil)

    /// Starts a program whose environment is what is given, and the few variables every program needs.
    ///
    /// Not by Foundation's Process: that learns of an end by a socket which other tests' servers may inherit and keep.
    init(_ path: String, _ arguments: [String], environment: [String: String]) throws {
        folder = try TestFolder()
        self.arguments = arguments
        let kept = ProcessInfo.processInfo.environment.filter {
            Self.passedOn.contains($0.key) || $0.key.hasPrefix("REELWAY_TEST_")
        }
        let variables = kept.merging(environment) { $1 }.map { "\($0.key)=\($0.value)" }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (descriptor, name) in [(Int32(1), "out"), (2, "err")] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, "\(folder.path)/\(name)", O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A child inherits what its parent's thread blocks, and some of these threads block all signals.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        var environment = variables.map { strdup($0) } + [nil]
        defer { for word in words + environment { free(word) } }
        var spawned: pid_t = 0
        let fault = posix_spawn(&spawned, path, &actions, &attributes, &words, &environment)
        guard fault == 0 else {
            throw Fault(description: "\(path) can't be started: \(String(cString: strerror(fault)))")
        }
        id = spawned
    }

    deinit {
        guard isRunning else { return }
        kill(id, SIGKILL)
        waitpid(id, nil, 0)
    }

    var output: String { text("out") }
    var errors: String { text("err") }

    func signal(_ number: Int32) { kill(id, number) }

    private var isRunning: Bool { ended == nil }

    /// The exit status, or 128 and the signal.
    private var ended: Int32? {
        status.withLock { status in
            var raw: Int32 = 0
            if status == nil, waitpid(id, &raw, WNOHANG) == id {
                status = raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
            }
            return status
        }
    }

    /// Waits for the program's end. Throws where that is a crash, with what it said.
    func end(within seconds: Double = 60) async throws -> Result {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let status = ended {
                guard ![SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP].contains(status - 128) else {
                    throw Fault(description: "\(arguments) crashed with signal \(status - 128); it said \(errors)")
                }
                return Result(status: status, output: output, errors: errors)
            }
            guard ContinuousClock.now < deadline else {
                kill(id, SIGKILL)
                throw Fault(description: "\(arguments) did not end; it said \(errors)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Waits until standard error says this.
    func says(_ text: String, within seconds: Double = 60) async throws {
        try await says(anyOf: [text], within: seconds)
    }

    /// Waits until standard error says one of these.
    func says(anyOf texts: [String], within seconds: Double = 60) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while case let said = errors, !texts.contains(where: said.contains) {
            guard ContinuousClock.now < deadline, isRunning else {
                throw Fault(description: "\(arguments) doesn't say: \(texts); it said \(said)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Waits until standard output says where the program listens.
    func port(within seconds: Double = 20) async throws -> Int {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline, isRunning {
            if let match = output.firstMatch(of: /listening on http:\/\/\S*:(\d+)\n/), let port = Int(match.1) {
                return port
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Fault(description: "reelway serve doesn't listen; it said \(errors)")
    }

    private func text(_ name: String) -> String {
        (try? String(contentsOfFile: folder.path + "/" + name, encoding: .utf8)) ?? ""
    }

    /// Runs a program to its end.
    static func run(_ path: String, _ arguments: [String], environment: [String: String]) async throws -> Result {
        try await Program(path, arguments, environment: environment).end()
    }
}
