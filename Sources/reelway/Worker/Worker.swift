import Foundation
import Logging
import Postgres
import ServiceLifecycle

/// Takes videos that wait, as many at once as the machine bears, until it is told to stop.
///
/// ```
/// trigger, NOTIFY, poll ─▶ claim ─▶ JobRun ─▶ ready | failed | pending again
///                            ▲         │
///                            └─ a free slot
/// ```
///
/// A video whose thread hangs is given up, and its place stays taken until the thread ends: it goes on using what a video
/// uses. A worker without a place left ends, so that whoever supervises the program starts it anew.
///
/// On a graceful stop nothing more is claimed; jobs may finish within the grace period and are then released unharmed.
actor Worker: Service {
    private let store: JobStore
    private let pipeline: Pipeline
    private let settings: WorkerSettings
    private let limit: Int
    private let logger: Logger
    private let owner: String
    private let metrics: Metrics

    private var running: [ObjectIdentifier: JobWatch] = [:]
    /// Places taken by threads that hang.
    private var hung = 0
    /// Whether it ends since these were all.
    private var isSpent = false
    private var isStopping = false
    private let trust = LeaseTrust()
    /// How many videos were claimed. Each claim is made under a name of its own, so that what it took can be found.
    private var claims = 0
    /// Whether the last claim's answer didn't arrive; it may have taken a video.
    private var isUnanswered = false
    private let wakeUps: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation
    private let sweeps: AsyncStream<Void>
    private let sweeper: AsyncStream<Void>.Continuation

    init(store: JobStore, pipeline: Pipeline, settings: WorkerSettings, metrics: Metrics, logger: Logger) {
        self.store = store
        self.pipeline = pipeline
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        limit = settings.videosAtOnce
        owner = "\(ProcessInfo.processInfo.hostName)/\(getpid())/\(UUID().uuidString.prefix(8).lowercased())"
        (wakeUps, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (sweeps, sweeper) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Looks for work at once rather than at the next poll.
    nonisolated func wake() { waker.yield() }

    /// Works until a graceful stop, or until the task is cancelled.
    ///
    /// Throws `internal` where threads that hang have taken all places.
    func run() async throws {
        logger.info("worker is ready", metadata: ["owner": "\(owner)", "videosAtOnce": "\(limit)"])
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.poll() }
            group.addTask { await self.listen() }
            group.addTask { await self.sweep() }
            group.addTask { await self.sweepRegularly() }
            await withGracefulShutdownHandler {
                await withTaskCancellationHandler {
                    await withDiscardingTaskGroup { jobs in
                        for await _ in wakeUps {
                            if isStopping { break }
                            if hung == limit {
                                isSpent = true
                                break
                            }
                            await claim(into: &jobs)
                        }
                        await letFinish()
                    }
                } onCancel: {
                    Task { await self.stop() }
                }
            } onGracefulShutdown: {
                Task { await self.stop() }
            }
            group.cancelAll()
        }
        if isSpent {
            throw Failure(
                .internal, "the worker's last place is taken by a video whose codecs hang; start the service again")
        }
        logger.info("worker has stopped")
    }

    private func stop() {
        isStopping = true
        wake()
    }

    private func claim(into jobs: inout DiscardingTaskGroup) async {
        while running.count + hung < limit, !isStopping {
            let start = ContinuousClock.now
            do {
                let claimed = try await next()
                trust.claimAnswered()
                guard let job = claimed else { return }
                let watch = JobWatch()
                running[ObjectIdentifier(watch)] = watch
                metrics.claimed()
                let run = JobRun(
                    job: job, watch: watch, store: store, pipeline: pipeline, settings: settings, metrics: metrics,
                    logger: logger, trust: trust)
                jobs.addTask {
                    await self.ended(watch, leaving: await run.run())
                }
            } catch is CancellationError {
                return
            } catch {
                logger.warning("no video could be claimed", metadata: ["error": "\(Failure(error))"])
                trust.noAnswer(since: start)
                return
            }
        }
    }

    private func next() async throws -> Job? {
        let name = "\(owner)/\(claims + 1)"
        var job = isUnanswered ? try await store.claimed(by: name, lease: settings.leaseSeconds) : nil
        if job == nil {
            isUnanswered = true
            job = try await store.claim(owner: name, lease: settings.leaseSeconds, takesExpired: trust.isGiven)
        }
        isUnanswered = false
        if job != nil { claims += 1 }
        return job
    }

    private func ended(_ watch: JobWatch, leaving thread: Task<Void, Never>?) {
        running[ObjectIdentifier(watch)] = nil
        if let thread {
            hung += 1
            metrics.hung(1)
            // Not among the jobs, whose end a stop waits for.
            Task {
                await thread.value
                regained()
            }
        }
        wake()
        sweeper.yield()
    }

    private func regained() {
        hung -= 1
        metrics.hung(-1)
        logger.notice("a thread that hung has ended")
        wake()
    }

    /// Gives the running jobs the grace period, then stops them.
    private func letFinish() async {
        let deadline = ContinuousClock.now + .seconds(settings.graceSeconds)
        logger.info("stopping", metadata: ["running": "\(running.count)"])
        while !running.isEmpty, ContinuousClock.now < deadline, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(50))
        }
        for watch in running.values { watch.stop(.shutdown) }
    }

    private func poll() async {
        while !Task.isCancelled {
            wake()
            try? await Task.sleep(for: .seconds(settings.pollSeconds))
        }
    }

    /// Wakes on the database's own notice; where it can't be had, polling does it alone.
    private func listen() async {
        for await event in store.database.listen(to: ["social_ready"]) {
            switch event {
            case .notification(let notification):
                // A worker's own progress is no news.
                if SocialReadyNotice(payload: notification.payload)?.status == .pending { wake() }
            // A listener may be cut, or kept out, for itself: whether the database is away a claim finds out.
            case .listening, .unavailable: wake()
            case .impossible: break
            }
        }
    }

    /// Removes what nobody will finish or show any more: uploads and objects of workers that died, of cancelled videos
    /// and of sources that changed.
    private func sweep() async {
        for await _ in sweeps {
            do {
                for leftover in try await store.leftovers() where !Task.isCancelled {
                    // Left in the middle its key would stay marked, and whoever is asked for the video next would wait.
                    await Task { await remove(leftover) }.value
                }
            } catch {
                if Task.isCancelled { return }
                logger.notice("leftovers stay for now", metadata: ["error": "\(Failure(error))"])
            }
        }
    }

    /// The other leftovers don't wait for one that can't be removed.
    private func remove(_ found: Leftover) async {
        do {
            let deadline = ContinuousClock.now + .seconds(Self.removalSeconds)
            guard let leftover = try await store.startRemoval(found, holding: Self.holdSeconds) else { return }
            try await pipeline.remove(leftover, until: deadline)
            try await store.settled(leftover)
            logger.info("removed what was left", metadata: ["key": "\(leftover.key)"])
        } catch {
            logger.notice(
                "something stays in the store for now",
                metadata: ["key": "\(found.key)", "error": "\(Failure(error))"])
        }
    }

    /// The longest one removal may take; one that needs longer is tried again with a later sweep.
    private static let removalSeconds = 5.0

    /// So long a key isn't written after a removal began that didn't end well. Nothing is sent for it after
    /// `removalSeconds`, but what was on its way then may still reach the store: it has the rest of the time for that.
    /// There remain a store that acts on a request so long after its connection was closed, and a machine that stops
    /// between a look at its clock and the request.
    private static let holdSeconds = 20.0

    /// Looks for leftovers besides after each video; not before a removal that failed may be tried again.
    private func sweepRegularly() async {
        while !Task.isCancelled {
            sweeper.yield()
            try? await Task.sleep(for: .seconds(Self.holdSeconds + 10))
        }
    }
}
