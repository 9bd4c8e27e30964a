import FoundationEssentials
import Glibc

/// A running program.
///
/// It is started by posix_spawn and accounted by wait4: what the kernel says of the program and of its own children.
final class Child {
    let command: Command
    private let pid: pid_t
    private let log: String
    private let begun = ContinuousClock.now
    private var isReaped = false

    init(_ command: Command) throws {
        self.command = command
        log = Workplace.scratch("child-\(UniqueNumber.next()).log")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, command.output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        let environment = ProcessInfo.processInfo.environment.merging(command.environment) { $1 }
        let arguments = CStrings([command.program] + command.arguments)
        let settings = CStrings(environment.map { "\($0)=\($1)" })
        var pid = pid_t()
        let status = posix_spawnp(&pid, command.program, &actions, nil, arguments.pointers, settings.pointers)
        guard status == 0 else {
            throw BenchError("\(command.program) can't be started: \(String(cString: strerror(status)))")
        }
        self.pid = pid
    }

    deinit {
        if !isReaped {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        Files.remove(log)
    }

    /// Whether it still runs.
    var isRunning: Bool {
        var info = siginfo_t()
        return !isReaped && waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == 0
    }

    /// What it wrote to standard error so far.
    var errors: String { (try? Files.text(log)) ?? "" }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Waits for its end.
    /// - Throws: When it failed.
    func finish() throws -> Usage {
        let (status, usage) = try end()
        guard status == 0 else {
            let words = ([command.program] + command.arguments).joined(separator: " ")
            throw BenchError("status \(status) of: \(words)\n\(errors.suffix(600))")
        }
        return usage
    }

    /// Waits for its end, whatever that is. The status is the exit status, or minus the signal that ended it.
    func end() throws -> (status: Int32, usage: Usage) {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 {
            guard errno == EINTR else { throw BenchError("waitid failed for \(command.program)") }
        }
        let wall = begun.duration(to: .now)
        // Still there for as long as nobody has reaped it.
        let traffic = ProcessTraffic(pid: pid)
        var status: Int32 = 0
        var account = rusage()
        guard wait4(pid, &status, 0, &account) == pid else { throw BenchError("wait4 failed for \(command.program)") }
        isReaped = true
        let usage = Usage(wall: wall / .seconds(1), account: account, traffic: traffic)
        let signal = status & 0x7f
        return (signal == 0 ? (status >> 8) & 0xff : -signal, usage)
    }
}

/// What /proc/PID/io counts.
struct ProcessTraffic {
    private(set) var values: [String: Int64] = [:]

    init(pid: pid_t) {
        for line in ((try? Files.text("/proc/\(pid)/io")) ?? "").split(separator: "\n") {
            let fields = line.split(separator: ":")
            if fields.count == 2 { values[String(fields[0])] = Int64(fields[1].drop { $0 == " " }) }
        }
    }
}

/// A null-terminated array of C strings, as exec takes them.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
        pointers[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
