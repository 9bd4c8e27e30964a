import Foundation
import Synchronization
import Testing

/// An answer as the program `curl` saw it: a client that nobody here wrote.
struct Curl: Sendable {
    /// curl's exit status: 0 for a whole answer, 18 partial, 28 timeout, 52 nothing, 56 reset.
    var exit: Int32
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body = Data()
    var seconds = 0.0

    subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: [String: Any] { (try? JSONSerialization.jsonObject(with: body) as? [String: Any]) ?? [:] }

    /// Runs curl; the last answer counts where there are several (100 Continue).
    static func run(_ arguments: String..., body: Data? = nil) async throws -> Curl {
        try await run(arguments: arguments, body: body)
    }

    static func run(arguments: [String], body: Data?) async throws -> Curl {
        try await TemporaryFolder.with { folder in
            let (head, content) = (folder + "/head", folder + "/body")
            var arguments = ["-sS", "--path-as-is", "-D", head, "-o", content, "--max-time", "60"] + arguments
            if let body {
                try body.write(to: URL(fileURLWithPath: folder + "/request"))
                arguments += ["--data-binary", "@\(folder)/request"]
            }
            let start = ContinuousClock.now
            let exit = try await Program.run("/usr/bin/curl", arguments)
            var answer = Curl(exit: exit)
            answer.seconds = (ContinuousClock.now - start) / .seconds(1)
            answer.body = (try? Data(contentsOf: URL(fileURLWithPath: content))) ?? Data()
            let lines = ((try? String(contentsOfFile: head, encoding: .utf8)) ?? "").split(separator: "\r\n")
            for line in lines {
                if line.hasPrefix("HTTP/") {
                    answer.status = Int(line.split(separator: " ")[1]) ?? 0
                    answer.headers = []
                } else if let colon = line.firstIndex(of: ":") {
                    let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                    answer.headers.append((String(line[..<colon]), value))
                }
            }
            return answer
        }
    }
}

/// Programs run to their end without blocking a thread of Swift's pool.
enum Program {
    /// One of the package's own programs, built beside the tests'.
    static func beside(_ name: String) throws -> URL {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name)
    }

    static func run(_ path: String, _ arguments: [String]) async throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        return try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
    }
}

/// A folder that is gone afterwards.
enum TemporaryFolder {
    static func with<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }
}

/// Bytes that look random and are the same in every run.
func noise(_ count: Int, seed: UInt64 = 1) -> Data {
    var state = seed
    var words = [UInt64](repeating: 0, count: count / 8 + 1)
    for index in words.indices {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        words[index] = state
    }
    return words.withUnsafeBytes { Data($0.prefix(count)) }
}

/// The shortest of three measurements: other work on the machine can only lengthen one.
func quietest(_ measure: () async throws -> Double) async rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<3 { best = min(best, try await measure()) }
    return best
}
