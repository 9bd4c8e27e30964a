import Foundation
import Media
import Postgres
import Transfer

/// The checks of `doctor`, one after the other, each with a time limit of its own.
struct Diagnosis: Sendable {
    private let settings: Settings
    private let remote: RemoteEnds
    private let seconds: Double

    /// - Parameter seconds: for what videos come from, and as much for what they go to.
    init(_ settings: Settings, seconds: Double = 30) {
        self.settings = settings
        self.seconds = seconds
        // What is wrong with a service has to be known before the check's time is over.
        remote = RemoteEnds(settings, patienceSeconds: seconds / 2)
    }

    /// Each finding as soon as it is there.
    func findings() -> AsyncStream<Finding> {
        AsyncStream { continuation in
            let task = Task {
                await run { continuation.yield($0) }
                remote.sources.shutdown()
                remote.stores.shutdown()
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func run(_ report: (Finding) -> Void) async {
        report(codecs())
        report(room())
        let store = await database(report)
        report(await storage())
        report(await oneDrive(store))
        for service in services { if let finding = await clock(service) { report(finding) } }
        await store?.database.shutdown()
    }

    // MARK: This machine

    private func codecs() -> Finding {
        let encoders = CodecInventory.missingEncoders
        let decoders = CodecInventory.missingDecoders
        let subject = "codecs"
        if !encoders.isEmpty {
            return Finding(
                subject: subject,
                verdict: .fault(
                    Failure(.internal, "libavcodec has no encoder \(encoders.joined(separator: ", "))"),
                    mend: "install Debian's libavcodec-extra59, or an FFmpeg built with libx264"))
        }
        if let obstacle = CodecInventory.filterObstacle {
            return Finding(subject: subject, verdict: .fault(Failure(obstacle), mend: "install Debian's libavfilter8"))
        }
        if !decoders.isEmpty {
            return Finding(
                subject: subject, verdict: .note("videos in \(decoders.joined(separator: ", ")) can't be decoded"))
        }
        return Finding(
            subject: subject, verdict: .good("FFmpeg \(CodecInventory.version) encodes and decodes all that is needed"))
    }

    private func room() -> Finding {
        let folder = settings.storage.folder ?? NSTemporaryDirectory()
        let videos = settings.worker.videosAtOnce
        // As long as the folder isn't made, its parent's disk is the one that counts.
        let parent = (folder as NSString).deletingLastPathComponent
        let place = FileManager.default.fileExists(atPath: folder) ? folder : parent.isEmpty ? "." : parent
        let facts = try? FileManager.default.attributesOfFileSystem(forPath: place)
        let free = (facts?[.systemFreeSize] as? NSNumber)?.int64Value ?? 0
        let text = "\(Text.megabytes(free)) free in \(folder); \(Text.count(videos, of: "video")) at once"
        // A finished video has 300 MB at most.
        guard free < Int64(videos) * 300_000_000 else { return Finding(subject: "room", verdict: .good(text)) }
        guard settings.storage.needsDisk else { return Finding(subject: "room", verdict: .note(text)) }
        return Finding(
            subject: "room",
            verdict: .fault(
                Failure(.storageRejected, text), mend: "free space, or set STORAGE_DIR or TMPDIR to a larger disk"))
    }

    // MARK: The database

    private func database(_ report: (Finding) -> Void) async -> JobStore? {
        do {
            let store = JobStore(try settings.openDatabase(), policy: settings.worker.attemptPolicy)
            let begun = Date.now
            let facts = try await store.database.query(
                """
                select current_setting('server_version') as version,
                    extract(epoch from clock_timestamp())::float8 as now
                """, timeout: .seconds(5)
            ).rows.first
            let offset = (try facts?.decode(Double.self, "now")).map { $0 - begun.timeIntervalSince1970 } ?? 0
            guard try await Schema.missing(in: store.database).isEmpty else { throw Failure.notMigrated }
            try await Schema.checkWritable(store.database)
            let table = try await store.table()
            let counts = try await store.counts()
            report(
                Finding(
                    subject: "database",
                    verdict: .good(
                        "PostgreSQL \(facts?["version"] ?? ""), tables as this version needs them, ids of type \(table.idType); "
                            + "videos waiting: \(counts.due), failed: \(counts.videos[.failed] ?? 0)")))
            if abs(offset) > 30 {
                report(
                    Finding(
                        subject: "database's clock",
                        verdict: .note("differs by \(Text.short(offset.rounded())) s from this machine's")))
            }
            report(await notices(store.database))
            return store
        } catch {
            let mend =
                Failure(error) == .notMigrated ? "run: reelway migrate" : "DATABASE_URL, and whether the server runs"
            report(Finding(subject: "database", verdict: .fault(Failure(error), mend: mend)))
            return nil
        }
    }

    private func notices(_ database: Database) async -> Finding {
        let first = try? await within(.seconds(5)) {
            for await event in database.listen(to: ["social_ready"]) { return event as ListenEvent? }
            return nil
        }
        let verdict: Finding.Verdict =
            switch first ?? nil {
            case .listening: .good("changes are told at once")
            case .impossible(let error), .unavailable(let error): .note("\(error)")
            case .notification, nil: .note("no answer to LISTEN; the tables are polled instead")
            }
        return Finding(subject: "notifications", verdict: verdict)
    }

    // MARK: What videos come from and go to

    private func storage() async -> Finding {
        do {
            let store = try remote.store()
            let (probe, refusal) = try await JobThread.run(named: "probe") { [seconds] in
                let deadline = ContinuousClock.now + .seconds(seconds)
                let isLate: @Sendable () -> Bool = { ContinuousClock.now > deadline }
                do {
                    try store.prepare(isCancelled: isLate)
                    return (try store.probe(isCancelled: isLate), try Self.refusalToList(store, isCancelled: isLate))
                } catch let error as TransferError where error.code == .cancelled {
                    throw Failure(
                        .storageUnavailable,
                        "\(store.description) didn't answer within \(Text.short(seconds)) s; try again")
                }
            }
            guard probe.isPubliclyReadable else {
                return Finding(
                    subject: "storage",
                    verdict: .fault(
                        Failure(
                            .storageRejected, "what is stored can't be fetched without credentials: \(probe.publicURL)"),
                        mend: "make the bucket public, or set STORAGE_PUBLIC_URL to where it is"))
            }
            let praise = "\(store.description) takes, shows and deletes objects"
            if let refusal {
                return Finding(
                    subject: "storage",
                    verdict: .note(
                        "\(praise), and doesn't list uploads, so that those a worker left behind stay there: "
                            + refusal.message))
            }
            return Finding(subject: "storage", verdict: .good(praise))
        } catch {
            return Finding(subject: "storage", verdict: .fault(Failure(error), mend: settings.storage.variables))
        }
    }

    /// Why uploads can't be listed; `nil` where they can.
    private static func refusalToList(
        _ store: any ObjectStore, isCancelled: @escaping @Sendable () -> Bool
    ) throws -> TransferError? {
        do {
            _ = try store.reapUploads(prefix: "reelway-probe/upload", isCancelled: isCancelled)
            return nil
        } catch let error as TransferError where [.storageAuth, .storageRejected].contains(error.code) {
            return error
        }
    }

    private func oneDrive(_ store: JobStore?) async -> Finding {
        let mend =
            "ONEDRIVE_REFRESH_TOKEN with ONEDRIVE_CLIENT_ID, or ONEDRIVE_ACCESS_TOKEN; sign in again if it was refused"
        do {
            // A refresh token is spent by its use, so the one that follows has to be kept.
            if case .refreshToken? = settings.oneDrive.credential, store == nil {
                return Finding(
                    subject: "OneDrive", verdict: .note("not tried without the database, which keeps its token"))
            }
            let tokens: any RefreshTokenStore =
                store.map { StoredRefreshToken(settings, in: $0) } ?? MemoryTokenStore()
            let oneDrive = try remote.oneDrive(tokens: tokens)
            let answered: String? = try await within(.seconds(seconds)) {
                try await oneDrive.signIn()
                guard let source = try await store?.anySource() else { return "signed in; no row names an item to try" }
                let item = try await oneDrive.item(source.fileID, drive: source.driveID)
                return "signed in; \(item.name) can be read"
            }
            guard let answered else { throw Failure(.sourceUnavailable, "OneDrive doesn't answer in time") }
            return Finding(subject: "OneDrive", verdict: .good(answered))
        } catch {
            let failure = Failure(error)
            // That one video is gone says nothing about the rest.
            if failure.code == .inputNotFound {
                return Finding(
                    subject: "OneDrive",
                    verdict: .note("signed in; the item of the row that was tried is missing: \(failure.message)"))
            }
            return Finding(subject: "OneDrive", verdict: .fault(failure, mend: mend))
        }
    }

    // MARK: Clocks

    /// Those whose signatures and tokens depend on the time.
    private var services: [Service] {
        var services = [Service(subject: "OneDrive's clock", url: settings.oneDrive.graphURL, refusal: .sourceAuth)]
        if case .s3(let access) = settings.storage.choice {
            services.append(Service(subject: "storage's clock", url: access.endpoint, refusal: .storageAuth))
        }
        return services
    }

    private struct Service {
        let subject: String
        let url: String
        /// What it answers where the clocks differ too much.
        let refusal: ErrorCode
    }

    /// `nil` where the service doesn't answer, which others report.
    private func clock(_ service: Service) async -> Finding? {
        let (client, url) = (remote.stores, service.url)
        let answer = try? await JobThread.run(named: "clock") {
            let deadline = ContinuousClock.now + .seconds(10)
            return try client.send(Transfer.HTTPRequest("GET", url), isCancelled: { ContinuousClock.now > deadline })
        }
        guard let header = answer?.head["date"], let theirs = HTTPDate.seconds(header) else { return nil }
        let offset = Date(timeIntervalSince1970: Double(theirs)).timeIntervalSinceNow
        // S3 refuses signatures that are off by a quarter of an hour; half of that is a warning in time.
        if abs(offset) > 450 {
            return Finding(
                subject: service.subject,
                verdict: .fault(
                    Failure(service.refusal, "differs by \(Int(offset.rounded())) s from this machine's"),
                    mend: "set this machine's clock; run an NTP client"))
        }
        return Finding(
            subject: service.subject, verdict: .good("within \(Int(abs(offset).rounded(.up))) s of this machine's"))
    }
}

extension StorageSettings {
    /// Whether finished videos pass over a disk of this machine.
    fileprivate var needsDisk: Bool {
        switch choice {
        case .s3: false
        case .tus, .directory: true
        }
    }

    /// The variables that say where videos go.
    fileprivate var variables: String {
        switch choice {
        case .s3: "S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, STORAGE_BUCKET (or Supabase's three)"
        case .tus: "SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY, STORAGE_BUCKET"
        case .directory: "STORAGE_DIR"
        }
    }
}
