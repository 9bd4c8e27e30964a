import HTTPTypes
import Postgres
import ServiceLifecycle
import Synchronization
import Transfer

/// Whether the process can do what it is there for, as `GET /readyz` says.
///
/// As a service it is the first to be told of the end: from then on no load balancer shall send anything here.
final class Readiness: Service {
    private struct State {
        var isStopping = false
        var storage: Failure?
    }

    private let state: Mutex<State>
    private let objects: (any ObjectStore)?

    /// - Parameter objects: the object store that is prepared; `nil` where none is needed.
    init(objects: (any ObjectStore)?) {
        self.objects = objects
        state = Mutex(State(storage: objects == nil ? nil : Self.unprepared))
    }

    static let unprepared = Failure(.storageUnavailable, "the object store isn't prepared yet")
    /// Between two tries to prepare the object store.
    private static let pause: Duration = .seconds(10)

    /// The object store was prepared, or why it could not be.
    func storageChanged(_ failure: Failure?) { state.withLock { $0.storage = failure } }

    /// Throws an `APIError` that says what is missing. Anyone may ask, so it names no host, user or bucket: the log does.
    func check(_ database: Database) async throws {
        let (isStopping, storage) = state.withLock { ($0.isStopping, $0.storage) }
        if isStopping { throw Self.unready(.cancelled, "the service is stopping") }
        let missing: [Schema.Migration]?
        do {
            missing = try await within(.seconds(3)) { try await Schema.missing(in: database) }
        } catch {
            let failure = Failure(error)
            throw Self.unready(failure.code, "the database can't be used; the service's log says why", failure)
        }
        guard let missing else { throw Self.unready(.databaseUnavailable, "the database doesn't answer in time") }
        guard missing.isEmpty else { throw Self.unready(Failure.notMigrated.code, Failure.notMigrated.message) }
        if let storage {
            throw Self.unready(storage.code, "the object store can't be used; the service's log says why", storage)
        }
    }

    func run() async throws {
        try? await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.prepare() }
            defer { state.withLock { $0.isStopping = true } }
            try await gracefulShutdown()
            group.cancelAll()
        }
    }

    private func prepare() async {
        guard let objects else { return }
        while !Task.isCancelled {
            do {
                try await JobThread.run(named: "storage") {
                    try objects.prepare(isCancelled: { self.state.withLock(\.isStopping) })
                }
                return storageChanged(nil)
            } catch {
                storageChanged(Failure(error))
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private static func unready(_ code: ErrorCode, _ message: String, _ cause: Failure? = nil) -> APIError {
        APIError(.serviceUnavailable, code.rawValue, message, headers: [.retryAfter: "5"], cause: cause)
    }
}

extension Failure {
    /// The tables aren't those of this version.
    static let notMigrated = Failure(
        .databaseUnavailable, "the database lacks Reelway's columns or some of them; run: reelway migrate")
}
