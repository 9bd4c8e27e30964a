import Foundation

/// Runs programs that judge what the engine made, or the program itself.
enum Shell {
    struct Result {
        /// Exit status, or 128 + signal.
        var status: Int32
        var output: Data
        var errors: String
        var seconds: Double

        var text: String { String(decoding: output, as: UTF8.self) }
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Runs a program to its end and throws where that takes longer than `limit` seconds.
    ///
    /// - Parameter started: is told the process's number as soon as it runs.
    static func run(
        _ program: String, _ arguments: [String], input: String? = nil, limit: Double = 60,
        environment: [String: String] = [:], started: (Int32) -> Void = { _ in }
    ) throws -> Result {
        let process = Process()
        if program.contains("/") {
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = arguments
        } else {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [program] + arguments
        }
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Files instead of pipes: nothing to drain, nothing to deadlock on.
        let folder = try Scratch.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (out, err) = (folder + "/out", folder + "/err")
        for path in [out, err] { try Data().write(to: URL(fileURLWithPath: path)) }
        let files = try [out, err].map { try FileHandle(forWritingTo: URL(fileURLWithPath: $0)) }
        let source = try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) }
        // A process that has ended keeps its handles, and they stay open.
        defer { for file in files + [source].compactMap(\.self) { try? file.close() } }
        process.standardOutput = files[0]
        process.standardError = files[1]
        process.standardInput = source ?? FileHandle.nullDevice
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        let clock = ContinuousClock()
        let begun = clock.now
        // A child inherits what its parent's thread blocks, and some of these threads block all signals.
        var (none, kept) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &kept)
        defer { pthread_sigmask(SIG_SETMASK, &kept, nil) }
        try process.run()
        started(process.processIdentifier)
        let inTime = ended.wait(timeout: .now() + limit) == .success
        if !inTime {
            kill(process.processIdentifier, SIGKILL)
            _ = ended.wait(timeout: .now() + 5)
        }
        let seconds = (clock.now - begun) / .seconds(1)
        guard inTime else {
            throw Failure(description: "\(program) \(arguments.joined(separator: " ")) did not end within \(limit) s")
        }
        return Result(
            status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
            output: try Data(contentsOf: URL(fileURLWithPath: out)),
            errors: String(decoding: try Data(contentsOf: URL(fileURLWithPath: err)), as: UTF8.self), seconds: seconds)
    }

    /// Whether a process has a handler of its own for a signal.
    static func catches(_ signal: Int32, _ process: Int32) -> Bool {
        let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
        let mask = line.flatMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) } ?? 0
        return mask & (1 << UInt64(signal - 1)) != 0
    }

    /// Runs a program that must succeed.
    static func succeed(_ program: String, _ arguments: [String], limit: Double = 60) throws -> Data {
        let result = try run(program, arguments, limit: limit)
        guard result.status == 0 else {
            throw Failure(
                description: "\(program) \(arguments.joined(separator: " ")): \(result.status), \(result.errors)")
        }
        return result.output
    }

    /// Runs `ffmpeg`, which must succeed and says nothing but errors.
    @discardableResult
    static func ffmpeg(_ arguments: [String], limit: Double = 60) throws -> Data {
        try succeed("ffmpeg", ["-nostdin", "-v", "error"] + arguments, limit: limit)
    }
}

/// Folders that live as long as the test process.
enum Scratch {
    private static let root: String = {
        let path = NSTemporaryDirectory() + "reelway-tests-\(ProcessInfo.processInfo.processIdentifier)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        atexit {
            try? FileManager.default.removeItem(
                atPath: NSTemporaryDirectory() + "reelway-tests-\(ProcessInfo.processInfo.processIdentifier)")
        }
        return path
    }()

    /// A new empty folder.
    static func folder() throws -> String {
        let path = root + "/" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    static func contents(of folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }
}
