import Foundation
import Postgres

/// All that can be set from outside, read in one place. The names are part of the contract.
///
/// ```
/// environment ──SettingsReader──▶ Settings ─▶ StorageSettings, OneDriveSettings, WorkerSettings, …
///                    └─ faults, all of them at once ─▶ SettingsError
/// ```
struct Settings: Sendable {
    var database: Secret?
    var storage: StorageSettings
    var oneDrive: OneDriveSettings
    var server: ServerSettings
    var worker: WorkerSettings
    var transfer: TransferSettings
    var log: LogSettings
    /// Each variable with its value and origin, secrets left out.
    let entries: [SettingsReader.Entry]

    /// Throws a `SettingsError` that lists every fault.
    ///
    /// - Parameters:
    ///   - flags: what was given on the command line, by the variable it stands for; it wins.
    ///   - needsDatabase: whether it is a fault when no database is named.
    ///   - keepsVideos: whether it is a fault when the videos' addresses can't be told.
    init(
        _ environment: [String: String], flags: [String: String] = [:], needsDatabase: Bool = false,
        keepsVideos: Bool = false
    ) throws {
        var reader = SettingsReader(environment, flags: flags)
        database = reader.secret("DATABASE_URL")
        if let database {
            do {
                _ = try Configuration(address: database.revealed)
            } catch {
                reader.fault("DATABASE_URL", "\(error)")
            }
        } else if needsDatabase {
            reader.fault("DATABASE_URL", "set it to the database: postgres://user:password@host:port/database")
        }
        storage = StorageSettings(&reader)
        oneDrive = OneDriveSettings(&reader)
        server = ServerSettings(&reader)
        if keepsVideos, case .directory = storage.choice, storage.publicURL == nil, server.port == 0 {
            reader.fault(
                "PORT",
                "give the port's number, or set STORAGE_PUBLIC_URL: videos in STORAGE_DIR are fetched from there")
        }
        worker = WorkerSettings(&reader)
        transfer = TransferSettings(&reader)
        log = LogSettings(&reader)
        entries = reader.entries
        if !reader.faults.isEmpty { throw SettingsError(faults: reader.faults, entries: reader.entries) }
    }
}

extension Settings {
    /// A setting that works on this machine, but hardly as it was meant; `nil`: there is none.
    var doubt: String? {
        guard case .directory = storage.choice, storage.publicURL == nil, ["0.0.0.0", "::"].contains(server.host) else {
            return nil
        }
        return "videos get addresses of \(server.host), which nobody else can call; set STORAGE_PUBLIC_URL to the "
            + "address /media is reached at, such as https://host/media"
    }
}

/// Every fault in the settings.
struct SettingsError: Error, Equatable, CustomStringConvertible {
    let faults: [SettingsReader.Fault]
    /// Each variable with its value and origin, secrets left out.
    let entries: [SettingsReader.Entry]

    var description: String { faults.map(\.description).joined(separator: "; ") }
}

/// Where and how `serve` listens.
struct ServerSettings: Sendable {
    /// An IPv6 address stands without brackets.
    var host: String
    var port: Int
    var token: Secret?
    /// Origins that a browser may call from.
    var origins: [String]

    init(_ reader: inout SettingsReader) {
        host = reader.text("REELWAY_HOST", default: "127.0.0.1").filter { $0 != "[" && $0 != "]" }
        port = reader.integer("PORT", default: 8080, in: 0...65535)
        token = reader.secret("REELWAY_API_TOKEN")
        origins = (reader.text("REELWAY_CORS_ORIGINS") ?? "").split(separator: ",").map {
            String($0.filter { !$0.isWhitespace })
        }
        if token == nil, !ServerSettings.isLoopback(host) {
            reader.fault(
                "REELWAY_API_TOKEN",
                "set a token, or let REELWAY_HOST be 127.0.0.1: without one only loopback is served")
        }
        if let token, token.revealed.utf8.count < 16 {
            reader.fault("REELWAY_API_TOKEN", "is shorter than 16 characters; make one with: openssl rand -hex 24")
        }
        if let token, token.revealed.contains(where: \.isWhitespace) {
            reader.fault(
                "REELWAY_API_TOKEN", "holds white space, which no header can carry; make one with: openssl rand -hex 24"
            )
        }
    }

    /// As an address names it.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether a host's name or address is this machine's alone.
    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || isIPv4(host) && host.hasPrefix("127.")
    }

    private static func isIPv4(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// How jobs are run.
struct WorkerSettings: Sendable {
    /// Videos at once; `nil`: by cores and memory.
    var concurrency: Int?
    /// Threads of decoder and encoder for each video; `nil`: as many as keep the cores busy.
    var threads: Int?
    var maximumAttempts: Int
    var leaseSeconds: Double
    var pollSeconds: Double
    var graceSeconds: Double
    var retryBaseSeconds: Double
    var stallSeconds: Double
    /// How long a job that was stopped may take to clear up before it counts as hung. Nobody's to set: to throw an upload
    /// away takes up to 35 s where the store hangs.
    var clearingSeconds = 45.0

    /// Videos at once, on this machine where nothing else is said.
    var videosAtOnce: Int {
        concurrency
            ?? Capacity.videosAtOnce(cores: ProcessInfo.processInfo.activeProcessorCount, memory: Capacity.memory)
    }

    init(_ reader: inout SettingsReader) {
        concurrency = reader.integer("REELWAY_CONCURRENCY", in: 1...256)
        threads = reader.integer("REELWAY_THREADS", in: 1...64)
        maximumAttempts = reader.integer("REELWAY_MAX_ATTEMPTS", default: 5, in: 1...100)
        leaseSeconds = reader.seconds("REELWAY_LEASE_SECONDS", default: 60, in: 2...3600)
        pollSeconds = reader.seconds("REELWAY_POLL_SECONDS", default: 5, in: 0.05...600)
        graceSeconds = reader.seconds("REELWAY_GRACE_SECONDS", default: 30, in: 0...3600)
        retryBaseSeconds = reader.seconds("REELWAY_RETRY_BASE_SECONDS", default: 5, in: 0.01...3600)
        stallSeconds = reader.seconds("REELWAY_STALL_SECONDS", default: 30, in: 1...3600)
    }
}

/// How bytes travel.
struct TransferSettings: Sendable {
    var downloadConnections: Int
    var downloadWindowBytes: Int
    var uploadPartBytes: Int
    var uploadConnections: Int
    /// Whether sources may be at private, loopback and link-local addresses.
    var allowsPrivateHosts: Bool

    init(_ reader: inout SettingsReader) {
        downloadConnections = reader.integer("REELWAY_DOWNLOAD_CONNECTIONS", default: 2, in: 1...16)
        downloadWindowBytes = reader.integer("REELWAY_DOWNLOAD_WINDOW_MIB", default: 32, in: 2...1024) << 20
        uploadPartBytes = reader.integer("REELWAY_UPLOAD_PART_MIB", default: 8, in: 5...512) << 20
        uploadConnections = reader.integer("REELWAY_UPLOAD_CONNECTIONS", default: 2, in: 1...16)
        allowsPrivateHosts = reader.flag("REELWAY_ALLOW_PRIVATE_HOSTS", default: false)
    }
}

/// What is logged, and how.
struct LogSettings: Sendable {
    enum Level: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical
    }

    enum Format: String, CaseIterable, Sendable {
        case text, json
    }

    var level: Level
    var format: Format

    init(_ reader: inout SettingsReader) {
        level = reader.choice("LOG_LEVEL", default: Level.info)
        format = reader.choice("LOG_FORMAT", default: Format.text)
    }
}
