import Foundation

/// Runs an actor on a thread of its own, which may block. A dispatch queue would not do: libdispatch has as many threads as
/// the machine has cores, and queues that block keep each other waiting.
final class ThreadExecutor: SerialExecutor {
    private let jobs = Jobs()

    init() {
        let thread = Thread { [jobs] in jobs.run() }
        thread.name = "postgres"
        thread.start()
    }

    deinit { jobs.end() }

    func enqueue(_ job: consuming ExecutorJob) {
        jobs.add(UnownedJob(job), asUnownedSerialExecutor())
    }
}

/// What a thread has to do, in order. Outlives the executor when its last job is what lets go of it.
private final class Jobs: @unchecked Sendable {  // everything that changes is touched with the condition locked
    private let condition = NSCondition()
    private var waiting: [(job: UnownedJob, executor: UnownedSerialExecutor)] = []
    private var isOver = false

    func add(_ job: UnownedJob, _ executor: UnownedSerialExecutor) {
        condition.withLock {
            waiting.append((job, executor))
            condition.signal()
        }
    }

    func end() {
        condition.withLock {
            isOver = true
            condition.signal()
        }
    }

    /// Runs jobs until the end.
    func run() {
        while let (job, executor) = next() { job.runSynchronously(on: executor) }
    }

    private func next() -> (job: UnownedJob, executor: UnownedSerialExecutor)? {
        condition.withLock {
            while waiting.isEmpty && !isOver { condition.wait() }
            return waiting.isEmpty ? nil : waiting.removeFirst()
        }
    }
}
