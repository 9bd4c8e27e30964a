import HTTPTypes
import Postgres
import ServiceLifecycle
import Synchronization
import Transfer

/// Whether the process can do what it is there for, as `GET /readyz` says.
///
/// A database that takes no writes makes it unready, as one that is away does: no wish can be noted. An object store that goes
/// away later doesn't: videos wait for it in the queue, and all else is answered as before.
///
/// As a service it is the first to be told of the end: from then on no load balancer shall send anything here.
final class Readiness: Service {
    private struct State {
        var isStopping = false
        var storage: Failure?
    }

    private let state: Mutex<State>
    /// The look at the database that is under way, for all who ask meanwhile: anyone may ask, as often as he likes.
    private let look = Mutex<Task<APIError?, Never>?>(nil)
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
        if let fault = await databaseFault(database) { throw fault }
        if let storage {
            throw Self.unready(storage.code, "the object store can't be used; the service's log says why", storage)
        }
    }

    private func databaseFault(_ database: Database) async -> APIError? {
        let look = look.withLock { current in
            if let current { return current }
            let begun = Task {
                defer { self.look.withLock { $0 = nil } }
                return await Self.fault(of: database)
            }
            current = begun
            return begun
        }
        return await look.value
    }

    private static func fault(of database: Database) async -> APIError? {
        do {
            let answered = try await within(.seconds(3)) {
                guard try await Schema.missing(in: database).isEmpty else { throw Failure.notMigrated }
                try await Schema.checkWritable(database)
                return true
            }
            return answered == nil ? unready(.databaseUnavailable, "the database doesn't answer in time") : nil
        } catch let failure as Failure {
            return unready(failure.code, failure.message)
        } catch {
            let failure = Failure(error)
            return unready(failure.code, "the database can't be used; the service's log says why", failure)
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
