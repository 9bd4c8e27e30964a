import Foundation
import Logging
import Media
import Postgres
import Synchronization

/// One claimed video, from its claim to the row that tells how it ended.
///
/// ```
/// job's thread   Pipeline: OneDrive ─▶ Transcode ─▶ ObjectStore
///                     │ reports          ▲ stops
/// this task      JobWatch ◀── each half second: moved? still ours? ──▶ row (progress, lease: when due)
/// ```
struct JobRun: Sendable {
    let job: Job
    let watch: JobWatch
    let store: JobStore
    let pipeline: Pipeline
    let settings: WorkerSettings
    let metrics: Metrics
    let logger: Logger
    /// Told where the database is away.
    var trust = LeaseTrust()

    /// How often the row is looked at or its end is tried to be written, in seconds: a cancelled video has to end within a
    /// second, and a database that is back has to hear of the video before another worker asks for it.
    private static let tick = 0.5

    /// Ends when the row tells how the video ended. That needn't be the end of the thread that did it: one that hangs in a
    /// codec can't be stopped.
    ///
    /// - Returns: what waits for a thread that had to be left behind; it still uses what a video uses.
    func run() async -> Task<Void, Never>? {
        log.info("video taken")
        let start = ContinuousClock.now
        let supervision = Task { await supervise() }
        let ended = Mutex<Result<Pipeline.Outcome, any Error>?>(nil)
        let thread = Task {
            let result = await transcode()
            ended.withLock { $0 = result }
            // What comes now is fenced by itself; a look at a row that has just ended would only mislead.
            supervision.cancel()
        }
        await supervision.value
        let result = ended.withLock { $0 }
        watch.letGo()
        if result == nil { log.error("the video's thread hangs and keeps its place until it ends") }
        let end = await conclude(result)
        let stored = end.outcome == .ready ? try? result?.get().bytes : nil
        metrics.ended(
            end.outcome, code: end.code, seconds: start.duration(to: .now) / .seconds(1),
            bytesRead: watch.progress?.bytesIn ?? 0, bytesWritten: stored ?? 0)
        return result == nil ? thread : nil
    }

    /// Names the video in each line.
    private var log: Logger {
        var log = logger
        log[metadataKey: "video"] = "\(job.videoID)"
        log[metadataKey: "attempt"] = "\(job.attempt)"
        return log
    }

    private func transcode() async -> Result<Pipeline.Outcome, any Error> {
        do {
            let (job, watch, pipeline) = (job, watch, pipeline)
            let ownership = Ownership(
                job: job, store: store, leaseSeconds: settings.leaseSeconds, watch: watch)
            return .success(
                try await JobThread.run(named: "video") {
                    try pipeline.run(job, watch: watch, ownership: ownership)
                })
        } catch {
            return .failure(error)
        }
    }

    /// Keeps the lease, shows the progress, and stops the job where it hangs or is no longer this worker's. A job that was
    /// stopped keeps its lease while it clears up.
    ///
    /// Ends when it is cancelled, or when a job that was stopped has had the time it takes to clear up: it hangs.
    private func supervise() async {
        var (last, lastMoved) = (watch.movement, ContinuousClock.now)
        var known = Known(leaseDue: .now + renewal)
        var told: Failure?
        // In looks, not by the clock: while the machine sleeps nothing can clear up.
        var clearing = 0.0
        var isOurs = true
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(JobRun.tick))
            if Task.isCancelled { return }
            if let stop = watch.stop {
                clearing += JobRun.tick
                if clearing > patience(after: stop) { return }
            }
            if !isOurs { continue }
            let now = ContinuousClock.now
            let movement = watch.movement
            if movement != last { (last, lastMoved) = (movement, now) }
            if watch.stop == nil, lastMoved.duration(to: now) > .seconds(settings.stallSeconds) {
                log.warning("nothing moves", metadata: ["seconds": "\(settings.stallSeconds)"])
                watch.stop(.stalled)
            }
            do {
                isOurs = try await look(&known)
                if !isOurs, !Task.isCancelled {
                    log.warning("the video is no longer this worker's")
                    watch.stop(.leaseLost)
                }
                told = nil
            } catch {
                // The work goes on: while the database is away nobody else can take the video either. It may stand still
                // for that alone, where it has to ask whether the video is still its own.
                if JobRun.passes(error) {
                    lastMoved = now
                    trust.noAnswer(since: now)
                }
                if !Task.isCancelled { tell("the row can't be reached", error, unless: &told) }
            }
            // A video that waits for the database doesn't hang.
            lastMoved += now.duration(to: .now)
        }
    }

    /// How long a job that was stopped may take to clear up, in seconds. Less at the end of the program, which doesn't wait
    /// for so long (`ServeCommand`): what a job hasn't thrown away then is a leftover.
    private func patience(after stop: JobWatch.Stop) -> Double {
        stop == .shutdown ? min(settings.clearingSeconds, 20) : settings.clearingSeconds
    }

    /// What the row holds of the job, as far as this worker knows.
    private struct Known {
        /// The progress it shows.
        var progress: Media.Progress?
        /// From when on it may be told of the next.
        var progressDue = ContinuousClock.Instant.now
        /// From when on its lease is to be renewed.
        var leaseDue: ContinuousClock.Instant
    }

    /// Asks whether the video is still this worker's, and writes only what is due: each write of a row costs all its
    /// indexes, and goes to everyone whom the database tells of changes.
    private func look(_ known: inout Known) async throws -> Bool {
        let now = ContinuousClock.now
        let isLeaseDue = now >= known.leaseDue
        let isOurs: Bool
        do {
            if let progress = watch.progress, now >= known.progressDue,
                isLeaseDue ? progress != known.progress : JobRun.isNews(progress, after: known.progress)
            {
                // One that is refused mustn't keep the lease from being renewed by the next look.
                known.progressDue = now + .seconds(1)
                isOurs = try await store.progress(
                    job, stage: progress.stage.rawValue, fraction: progress.progress, lease: settings.leaseSeconds)
                known.progress = progress
            } else if !isLeaseDue, try await store.isHeld(job) {
                return true
            } else {
                // Also where it isn't held: that may come from a standby that lags behind. A write can't.
                isOurs = try await store.heartbeat(job, lease: settings.leaseSeconds)
            }
        } catch {
            // The lease may have run out meanwhile, and whoever hears from the database first keeps the video.
            known.leaseDue = now
            throw error
        }
        known.leaseDue = now + renewal
        return isOurs
    }

    /// How long a lease is left alone: a quarter of it, since the rest is for a database that doesn't answer. And no longer
    /// than half a standstill may last: only a write tells that a job stands still for a database that takes none.
    private var renewal: Duration { .seconds(min(settings.leaseSeconds / 4, settings.stallSeconds / 2)) }

    /// Whether those who watch a video want to know.
    private static func isNews(_ progress: Media.Progress, after known: Media.Progress?) -> Bool {
        guard let known else { return true }
        return progress.stage != known.stage || progress.progress >= known.progress + 0.01
    }

    /// How a video left this worker, and why unless it is ready.
    private typealias End = (outcome: Metrics.Outcome, code: ErrorCode?)

    /// Writes how the job ended; `nil`: it didn't.
    private func conclude(_ result: Result<Pipeline.Outcome, any Error>?) async -> End {
        let standstill = "nothing moved for \(Text.short(settings.stallSeconds)) s"
        return switch (result, watch.stop) {
        case (.success(let outcome), _): await complete(outcome)
        case (_, .leaseLost): (.released, .leaseLost)
        case (_, .shutdown): await release()
        case (.failure, .stalled): await fail(Failure(.sourceUnavailable, standstill))
        case (.failure(let error), nil): await fail(Failure(error))
        case (nil, _):
            await fail(Failure(.internal, "the codecs hung: \(standstill), nor did they end when they were told to"))
        }
    }

    private func complete(_ outcome: Pipeline.Outcome) async -> End {
        do {
            let isOurs = try await persist {
                try await store.complete(job, key: outcome.key, url: outcome.url, report: outcome.report)
            }
            guard isOurs else { return lost() }
            log.info(
                "video is ready", metadata: ["seconds": "\(Text.short(outcome.seconds))", "bytes": "\(outcome.bytes)"])
            return (.ready, nil)
        } catch  where JobRun.passes(error) {
            return unwritten(error)
        } catch {
            // Tried again as any fault within: what refuses it, a trigger of the application's for one, may be mended before
            // the last attempt, and this worker can't tell. The pauses between grow.
            return await fail(Failure(.internal, "the database refused the result: \(Failure(error).message)"))
        }
    }

    private func release() async -> End {
        do {
            guard try await persist({ try await store.release(job) }) else { return lost() }
            log.info("video is given back")
            return (.released, nil)
        } catch {
            return unwritten(error)
        }
    }

    private func fail(_ failure: Failure) async -> End {
        do {
            let end = try await persist {
                try await store.fail(job, failure.code, failure.message, retryAfter: failure.retryAfter)
            }
            switch end {
            case .retried(let seconds):
                log.warning(
                    "video will be tried again", metadata: ["error": "\(failure)", "seconds": "\(Text.short(seconds))"])
                return (.retried, failure.code)
            case .final:
                log.error("video failed", metadata: ["error": "\(failure)"])
                return (.failed, failure.code)
            case .lost: return lost()
            }
        } catch {
            log.error("video failed", metadata: ["error": "\(failure)"])
            return unwritten(error)
        }
    }

    private func lost() -> End {
        log.warning("the video was taken away")
        return (.released, .leaseLost)
    }

    /// What the row doesn't say another worker finds out.
    private func unwritten(_ error: any Error) -> End {
        let failure = Failure(error)
        log.error("the video's end isn't written; its lease has to run out", metadata: ["error": "\(failure)"])
        return (.unwritten, failure.code)
    }

    /// Repeats a write for as long as the database is away: the work is done and must be neither lost nor repeated. One that
    /// the database refuses is repeated a few times only: it would be for ever, without a lease and in another video's place.
    ///
    /// - Throws: the last error, where the database refuses it or where the program ends before it could be written.
    private func persist<Value: Sendable>(_ write: @escaping @Sendable () async throws -> Value) async throws -> Value {
        var refusals = 0
        var told: Failure?
        while true {
            let start = ContinuousClock.now
            do {
                // A task of its own: a program that has been told to end still says once what became of the video.
                return try await Task { try await write() }.value
            } catch {
                tell("the end can't be written yet", error, unless: &told)
                if JobRun.passes(error) { trust.noAnswer(since: start) } else { refusals += 1 }
                if Task.isCancelled || refusals == JobRun.mostRefusals { throw error }
                try? await Task.sleep(for: .seconds(JobRun.tick))
            }
        }
    }

    private static let mostRefusals = 5

    private static func passes(_ error: any Error) -> Bool { (error as? PostgresError)?.passes ?? false }

    /// Logs what goes wrong twice a second when it begins, and when it becomes something else.
    private func tell(_ message: Logger.Message, _ error: any Error, unless told: inout Failure?) {
        let failure = Failure(error)
        guard failure != told else { return }
        told = failure
        log.warning(message, metadata: ["error": "\(failure)"])
    }
}
