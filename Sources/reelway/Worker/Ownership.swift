import Foundation
import Postgres

/// Lets a job's thread ask the database, which answers tasks only, whether the video is still its own.
struct Ownership: Sendable {
    let job: Job
    let store: JobStore
    let leaseSeconds: Double
    let isStopped: @Sendable () -> Bool

    /// Notes an object before it is written, so that whatever becomes of this worker its traces are found. Blocks.
    ///
    /// Throws `lease_lost` where the video is another's by now.
    func announce(key: String) throws {
        try demand { try await store.uploadStarted(job, key: key, uploadID: nil) }
    }

    /// Notes the id of an upload that the store has opened; doesn't block.
    func note(key: String, uploadID: String?) {
        Task { _ = try? await store.uploadStarted(job, key: key, uploadID: uploadID) }
    }

    /// Asked right before an object becomes visible: a worker that slept through its lease doesn't store over the new
    /// owner's result. Blocks.
    func confirm() throws {
        try demand { try await store.heartbeat(job, lease: leaseSeconds) }
    }

    /// Waits while the database is away: what has been made until here is not thrown away for that.
    private func demand(_ question: @escaping @Sendable () async throws -> Bool) throws {
        while true {
            do {
                guard try BlockingWait.result(isCancelled: isStopped, of: question) else {
                    throw Failure(.leaseLost, "another worker has the video")
                }
                return
            } catch let error as PostgresError where error.kind == .unavailable && !isStopped() {
                Thread.sleep(forTimeInterval: 0.5)
            }
        }
    }
}
