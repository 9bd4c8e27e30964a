import ArgumentParser
import Foundation
import Logging
import NIOCore
import Postgres
import ServiceLifecycle
import Transfer
import UnixSignals

/// `reelway serve`: the HTTP endpoint and the worker, in one process or in two.
///
/// ```
/// stop by SIGTERM, SIGINT or SIGHUP, from the right to the left, each when its right is done:
///   HTTPService ◀─ VideoWatch ◀─ Worker ◀─ Readiness
///   answers until  ends event    finishes   turns /readyz
///   the last       streams       or releases to 503
/// ```
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Answer HTTP requests and transcode the videos that wait.")

    enum Role: String, ExpressibleByArgument, CaseIterable {
        case all, http, worker
    }

    @Option(help: "all, http (no transcoding here) or worker (no HTTP here).")
    var role: Role = .all

    @Option(help: "The address to listen on, instead of REELWAY_HOST.")
    var host: String?

    @Option(help: "The port to listen on, instead of PORT; 0 takes a free one.")
    var port: Int?

    @Option(help: "Videos at once, instead of REELWAY_CONCURRENCY.")
    var concurrency: Int?

    @Option(help: "Threads of decoder and encoder for each video, instead of REELWAY_THREADS.")
    var threads: Int?

    /// What the services may take beyond the grace period before the process ends without them, in seconds.
    private static let lastWordSeconds = 15.0

    func run() async throws {
        let settings = try Settings(
            ProcessInfo.processInfo.environment,
            flags: [
                "REELWAY_HOST": host, "PORT": port.map(String.init),
                "REELWAY_CONCURRENCY": concurrency.map(String.init),
                "REELWAY_THREADS": threads.map(String.init),
            ].compactMapValues { $0 },
            needsDatabase: true, keepsVideos: role != .http)
        LoggingSystem.bootstrap { LogLine(label: $0, settings: settings.log) }
        let logger = settings.log.logger("reelway")
        let requests = try settings.openDatabase(connections: 4)
        // Its own: what requests wait for keeps no lease from being renewed.
        let work = try settings.openDatabase(connections: 4)
        guard try await Schema.missing(in: requests).isEmpty else { throw Failure.notMigrated }
        do {
            try await serve(settings, requests: requests, work: work, logger)
            await requests.shutdown()
            await work.shutdown()
        } catch {
            await requests.shutdown()
            await work.shutdown()
            guard error is IOError || error is SocketAddressError else { throw error }
            throw Failure(
                .usage,
                "\(settings.server.host), port \(settings.server.port), can't be listened on (\(Self.reason(error))); choose "
                    + "another REELWAY_HOST or PORT")
        }
        logger.info("stopped")
    }

    private func serve(_ settings: Settings, requests: Database, work: Database, _ logger: Logger) async throws {
        let metrics = Metrics()
        let policy = settings.worker.attemptPolicy
        if role != .http, let doubt = settings.doubt { logger.warning("\(doubt)") }
        let remote =
            role == .http
            ? nil
            : RemoteEnds(
                settings, videos: settings.worker.videosAtOnce, patienceSeconds: settings.worker.stallSeconds)
        let objects = try remote?.store()
        let worker: Worker? =
            if let remote, let objects {
                try Self.worker(settings, remote, objects, JobStore(work, policy: policy), metrics)
            } else { nil }
        let readiness = Readiness(objects: objects)
        var services: [any Service] = []
        if role != .worker {
            let watch = VideoWatch(database: requests, logger: logger)
            let http = HTTPService(
                settings: settings.server, store: JobStore(requests, policy: policy), watch: watch, metrics: metrics,
                readiness: readiness, mediaFolder: settings.storage.folder, logger: settings.log.logger("http"),
                wake: { worker?.wake() })
            services += [http.application { Self.announce($0) }, watch]
        }
        if let worker { services.append(worker) }
        services += [readiness, LastWord(seconds: settings.worker.graceSeconds + 2 * Self.lastWordSeconds)]
        var configuration = ServiceGroupConfiguration(
            services: services.map { service in
                // A worker that can't go on ends the program as a signal does: what was asked is answered.
                .init(
                    service: service,
                    failureTerminationBehavior: service is Worker ? .gracefullyShutdownGroup : .cancelGroup)
            },
            gracefulShutdownSignals: [.sigterm, .sigint] + (Interruption.heedsHangup ? [.sighup] : []), logger: logger)
        configuration.maximumGracefulShutdownDuration = .seconds(settings.worker.graceSeconds + Self.lastWordSeconds)
        try await ServiceGroup(configuration: configuration).run()
    }

    private static func worker(
        _ settings: Settings, _ remote: RemoteEnds, _ objects: any ObjectStore, _ store: JobStore, _ metrics: Metrics
    ) throws -> Worker {
        let oneDrive = try remote.oneDrive(tokens: StoredRefreshToken(settings, in: store))
        let pipeline = Pipeline(
            oneDrive: oneDrive, store: objects, readAhead: remote.readAhead,
            threads: settings.worker.threads)
        return Worker(
            store: store, pipeline: pipeline, settings: settings.worker, metrics: metrics,
            logger: settings.log.logger("worker"))
    }

    private static func reason(_ error: any Error) -> String {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: "another program does"
        case EACCES: "the port is the system's"
        case EADDRNOTAVAIL: "the address isn't this machine's"
        default: "there is no such address"
        }
    }

    /// One line on standard output, at once: who started the process with port 0 waits for it.
    private static func announce(_ address: SocketAddress?) {
        guard let host = address?.ipAddress, let port = address?.port else { return }
        let shown = host.contains(":") ? "[\(host)]" : host
        try? FileHandle.standardOutput.write(contentsOf: Data("listening on http://\(shown):\(port)\n".utf8))
    }
}

/// Ends the process where a service doesn't heed the end, nor its cancellation: a supervisor would kill it without a word.
private struct LastWord: Service {
    /// After the first sign of the end.
    let seconds: Double

    func run() async throws {
        try? await gracefulShutdown()
        guard !Task.isCancelled else { return }
        // A thread of its own: what hangs may hold all of Swift's.
        let thread = Thread { [seconds] in
            Thread.sleep(forTimeInterval: seconds)
            ExitStatus.print("\(Failure(.internal, "the service didn't stop in time; its videos are taken over"))")
            _exit(ErrorCode.internal.exitStatus)
        }
        thread.name = "last word"
        thread.start()
    }
}

extension StorageSettings {
    /// The folder finished videos are kept in, where they are kept in one.
    var folder: String? {
        guard case .directory(let path) = choice else { return nil }
        return path
    }
}
