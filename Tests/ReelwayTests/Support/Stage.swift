import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Postgres
import StorageFaults
import Testing

@testable import reelway

/// Where a worker is held on its way through a video, so that a test which kills or cuts it there races nothing.
///
/// ```
/// OneDrive:  item ─────▶ bytes ─────▶ …                claimed, downloading, encoding
/// store:     create ───▶ part 2 ────▶ complete ───▶ …  opened, uploading, beforeComplete, afterComplete
/// database:  the row's last write waits for a lock      beforeRow
/// ```
enum Stage: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case claimed, downloading, encoding
    /// The store has opened an upload whose id hasn't arrived.
    case opened
    case uploading
    /// All parts are stored, and the store hasn't yet heard that it shall make an object of them.
    case beforeComplete
    /// The store has made the object, and its answer hasn't arrived.
    case afterComplete
    /// All is done but the row's last write.
    case beforeRow

    var testDescription: String { rawValue }

    /// A clip that comes by this stage.
    var clip: String { self == .encoding ? Clips.foreign : Clips.large }

    /// Longer than any test.
    private static let long = 600.0

    /// Has whatever comes by this stage wait there until it is let go.
    fileprivate func close(_ drive: OneDriveSandbox, _ proxy: StorageProxy) throws {
        switch self {
        case .claimed: drive.setFaults([Fault(.delay(seconds: Self.long), on: .item, times: Fault.always)])
        case .downloading, .encoding:
            let size = try #require(drive.items.first { $0.name == clip }?.size)
            drive.setFaults([Fault(.stall(at: size * 3 / 5, seconds: Self.long), times: Fault.always)])
            // Progress is told now and then only: an encoder that waits from the first fifth of a second on has told none.
            if self == .encoding { drive.setBandwidth(perConnection: 1e6) }
        case .opened: proxy.setFaults([.create(.delayAfterwards(seconds: Self.long), times: StorageFault.always)])
        case .uploading: proxy.setFaults([.part(nil, .delay(seconds: Self.long), times: StorageFault.always)])
        case .beforeComplete: proxy.setFaults([.complete(.delay(seconds: Self.long), times: StorageFault.always)])
        case .afterComplete, .beforeRow:
            proxy.setFaults([.complete(.delayAfterwards(seconds: Self.long), times: StorageFault.always)])
        }
    }

    /// Whether something waits there.
    fileprivate func isReached(_ row: Row, _ drive: OneDriveSandbox, _ proxy: StorageProxy) -> Bool {
        guard row["social_ready_status"] == "processing" else { return false }
        switch self {
        case .claimed: return drive.requests.contains { $0.fault == "delay" && $0.outcome == .open }
        case .downloading, .encoding:
            let isBusy = self == .downloading || (Double(row["social_ready_progress"] ?? "") ?? 0) > 0.1
            return isBusy && drive.requests.contains { $0.fault == "stall" && $0.bytesSent > 0 && $0.outcome == .open }
        case .uploading, .beforeComplete:
            return proxy.requests.contains { $0.fault == "delay" && $0.outcome == .open }
        case .opened, .afterComplete, .beforeRow:
            return proxy.requests.contains { $0.fault == "delayAfterwards" && $0.status == 200 && $0.outcome == .open }
        }
    }
}

extension Stage {
    /// A worker that waits at a stage with a video.
    struct Held: Sendable {
        let id: String
        let worker: Program
        let drive: OneDriveSandbox
        let proxy: StorageProxy
        let lock: RowLock?

        /// Waits until the worker knows that the video isn't its own any more, by whichever of its questions came first.
        func noticesLoss(within seconds: Double = 60) async throws {
            try await worker.says(anyOf: ["is no longer this worker's", "the video was taken away"], within: seconds)
        }

        /// Lets it go on.
        func release() async throws {
            drive.setFaults([])
            proxy.setFaults([])
            try await lock?.release()
        }
    }

    /// Starts a worker whose store is behind a proxy, and waits until it stands at this stage with a video.
    func hold(_ shop: Shop, _ settings: [String: String] = [:], _ body: (Held) async throws -> Void) async throws {
        let proxy = try await StorageProxy.start(upstream: try #require(shop.environment["S3_ENDPOINT"]))
        let result: Result<Void, any Error>
        do {
            try close(shop.drive, proxy)
            let id = try await shop.insert(clip)
            let worker = try shop.worker(settings.merging(["S3_ENDPOINT": proxy.url]) { $1 })
            do {
                try await shop.wait(id) { isReached($0, shop.drive, proxy) }
            } catch {
                throw Program.Fault(description: "\(self) is not reached: \(error); the worker said \(worker.errors)")
            }
            var lock: RowLock?
            if self == .beforeRow {
                lock = try await RowLock.take(id, shop.test.database)
                proxy.setFaults([])
                try await lock?.isWaited(for: "social_ready_report = ")
            }
            do {
                result = .success(
                    try await body(Held(id: id, worker: worker, drive: shop.drive, proxy: proxy, lock: lock)))
            } catch let fault as Program.Fault {
                throw Program.Fault(description: "\(fault); the worker said \(worker.errors)")
            }
        } catch {
            result = .failure(error)
        }
        await proxy.stop()
        try result.get()
    }
}

/// Keeps everyone else from writing a row.
struct RowLock: Sendable {
    private let database: Database
    private let marker: String
    private let holder: Task<Void, Never>

    static func take(_ id: String, _ database: Database) async throws -> RowLock {
        let marker = "lock \(UUID().uuidString)"
        let holder = Task {
            // Ends by being cancelled.
            _ = try? await database.query(
                """
                with locked as materialized (select id from product_videos where id::text = $1 for update)
                select pg_sleep(600) from locked -- \(marker)
                """, id, timeout: .seconds(600))
        }
        let lock = RowLock(database: database, marker: marker, holder: holder)
        try await lock.wait { $0.contains { $0.query.contains(marker) && $0.waitsFor == "PgSleep" } }
        return lock
    }

    /// Waits until a statement stands before the lock that contains this text.
    func isWaited(for text: String) async throws {
        try await wait { $0.contains { $0.query.contains(text) && $0.isLockedOut } }
    }

    /// Ends the sessions that stand before the lock: the server doesn't notice by itself that their clients are dead.
    func endWaiting() async throws {
        try await database.query(
            "select pg_terminate_backend(pid) from pg_stat_activity"
                + " where datname = current_database() and wait_event_type = 'Lock'")
        try await wait { !$0.contains(where: \.isLockedOut) }
    }

    func release() async throws {
        // A server that was stopped has ended it by itself.
        _ = try? await database.query(
            "select pg_cancel_backend(pid) from pg_stat_activity where query like '%' || $1 and pid <> pg_backend_pid()",
            marker)
        await holder.value
    }

    private struct Session {
        let query: String
        let waitsFor: String?
        let isLockedOut: Bool
    }

    private func wait(until condition: ([Session]) -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let rows = try await database.query(
                """
                select query, wait_event, wait_event_type from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
                """
            ).rows
            let sessions = rows.map {
                Session(
                    query: $0["query"] ?? "", waitsFor: $0["wait_event"], isLockedOut: $0["wait_event_type"] == "Lock")
            }
            if condition(sessions) { return }
            guard ContinuousClock.now < deadline else {
                throw Program.Fault(description: "the sessions stay \(sessions)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
