import FoundationEssentials
import Glibc

/// The sandbox program over some files: it counts what it is asked for, from outside of Reelway.
final class OneDriveStandIn {
    /// One line of its log.
    struct Request: Decodable {
        let connection: Int
        let method: String
        let path: String
        let range: String?
        let status: Int?
        let bytesSent: Int64
        /// Seconds since the epoch.
        let arrived: Double
        let finished: Double?
    }

    private struct Ready: Decodable {
        struct Item: Decodable {
            let name: String
            let id: String
        }
        let graphURL: String
        let accessToken: String
        let environment: [String: String]
        let items: [Item]
    }

    private let child: Child
    private let folder: String
    private let log: String
    private let ready: Ready

    /// - Parameters:
    ///   - files: what the drive holds.
    ///   - more: further options of the program, such as its bandwidth.
    init(serving files: [String], _ more: [String] = []) throws {
        folder = Workplace.scratch("drive-\(UniqueNumber.next())")
        try Files.makeFolder(folder)
        for file in files {
            let name = URL(filePath: file).lastPathComponent
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: file)
        }
        log = folder + ".requests"
        let readyFile = folder + ".ready"
        let child = try Child(
            Command(
                Workplace.sandbox, ["--folder", folder, "--ready-file", readyFile, "--requests-file", log] + more))
        try Waiting.until("the OneDrive stand-in listens", while: { child.isRunning }) { Files.exists(readyFile) }
        self.child = child
        ready = try JSONDecoder().decode(Ready.self, from: Data(try Files.text(readyFile).utf8))
        Files.remove(readyFile)
    }

    deinit {
        Files.remove(folder)
        Files.remove(log)
    }

    /// What Reelway needs to reach it.
    var environment: [String: String] { ready.environment }

    /// The id of a served file.
    func item(_ file: String) throws -> String {
        let name = URL(filePath: file).lastPathComponent
        guard let item = ready.items.first(where: { $0.name == name }) else {
            throw BenchError("the OneDrive stand-in does not serve \(name)")
        }
        return item.id
    }

    /// A command that prints the item's properties, its download URL among them, as a script would ask for them.
    func properties(_ file: String) throws -> String {
        "curl -sSf -H 'Authorization: Bearer \(ready.accessToken)' '\(ready.graphURL)/me/drive/items/\(try item(file))'"
    }

    /// Ends it.
    /// - Returns: What it was asked for.
    @discardableResult
    func stop() throws -> [Request] {
        child.signal(SIGTERM)
        _ = try child.finish()
        return try RequestLog.read(log)
    }
}

/// The log that the sandbox and the storage proxy write at their end.
enum RequestLog {
    static func read<Line: Decodable>(_ path: String) throws -> [Line] {
        try Files.text(path).split(separator: "\n").map { line in
            try JSONDecoder().decode(Line.self, from: Data(line.utf8))
        }
    }
}

/// Waits for a state.
enum Waiting {
    static func until(
        _ what: String, within seconds: Double = 60, while goesOn: () -> Bool = { true }, _ holds: () throws -> Bool
    ) throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while try !holds() {
            guard goesOn(), .now < end else { throw BenchError("waited in vain: \(what)") }
            usleep(2000)
        }
    }
}
