import Foundation
import Postgres

/// Lets a job's thread ask the database, which answers tasks only, whether the video is still its own.
struct Ownership: Sendable {
    let job: Job
    let store: JobStore
    let leaseSeconds: Double
    let watch: JobWatch

    /// Notes an object before it is written, so that whatever becomes of this worker its traces are found, and waits until
    /// nobody removes the traces of another there. Blocks.
    ///
    /// Throws `lease_lost` where the video is another's by now.
    func announce(key: String) throws {
        try demand { try await store.uploadStarted(job, key: key, uploadID: nil) }
        while try answer({ try await store.isBeingRemoved(job.videoID, key: key) }) {
            if isStopped() { throw Failure(.cancelled, "stopped before the video was stored") }
            watch.waitsItsTurn()
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    /// Notes the id of an upload that the store has opened; doesn't block.
    func note(key: String, uploadID: String?) {
        Task { _ = try? await store.uploadStarted(job, key: key, uploadID: uploadID) }
    }

    /// Notes that an upload of this key may be open which nobody knows by its id. Blocks.
    func noteLost(key: String) throws {
        try demand { try await store.uploadLost(job, key: key) }
    }

    /// Asked right before an object becomes visible: a worker that slept through its lease doesn't store over the new
    /// owner's result. Blocks.
    func confirm() throws {
        try demand { try await store.heartbeat(job, lease: leaseSeconds) }
    }

    private var isStopped: @Sendable () -> Bool { { [watch] in watch.stop != nil } }

    private func demand(_ question: @escaping @Sendable () async throws -> Bool) throws {
        guard try answer(question) else { throw Failure(.leaseLost, "another worker has the video") }
    }

    /// Waits while the database is away: what has been made until here is not thrown away for that.
    private func answer(_ question: @escaping @Sendable () async throws -> Bool) throws -> Bool {
        while true {
            do {
                return try BlockingWait.result(isCancelled: isStopped, of: question)
            } catch let error as PostgresError where error.passes && !isStopped() {
                Thread.sleep(forTimeInterval: 0.5)
            }
        }
    }
}
