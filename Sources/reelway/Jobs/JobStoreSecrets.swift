import Foundation
import Postgres

/// Secrets that change by themselves, such as a refresh token that each use replaces.
extension JobStore {
    /// Replaces a secret, alone among all programs that use the database. Waits while that is away.
    ///
    /// - Parameters:
    ///   - name: what it is called. One that begins as a setting should carry a hash of that setting, so that a new setting
    ///     isn't overruled by what became of the old.
    ///   - lease: seconds after which another may try, should this program die meanwhile.
    ///   - patience: seconds to wait for the turn.
    ///   - replace: is given the value stored, nil where there is none yet, and returns the one to store.
    /// - Returns: what `replace` returned.
    /// - Throws: what `replace` threw, the stored value is kept then; `PostgresError` of kind `unavailable` when the turn
    ///   never came.
    func replaceSecret(
        _ name: String, lease: Double, patience: Double = 90, _ replace: @Sendable (String?) async throws -> String
    ) async throws -> String {
        let owner = UUID().uuidString
        let deadline = ContinuousClock.now + .seconds(patience)
        while true {
            let answer = try await outlasting {
                try await database.query(
                    """
                    insert into reelway_secrets as s (name, lease_owner, lease_until)
                    values ($1, $2, now() + make_interval(secs => $3::float8))
                    on conflict (name) do update
                    set lease_owner = excluded.lease_owner, lease_until = excluded.lease_until
                    where s.lease_until is null or s.lease_until < now() or s.lease_owner = excluded.lease_owner
                    returning value
                    """, name, owner, lease)
            }
            if let row = answer.rows.first {
                let old: String? = row["value"]
                let value: String
                do {
                    value = try await replace(old)
                } catch {
                    // A program that is told to stop still gives the turn away; if it can't, the lease ends by itself.
                    await Task { try? await endTurn(name, owner) }.value
                    throw error
                }
                // The old value may be spent already, so the new one is stored even if someone cancels now.
                try await Task { try await outlasting { try await store(name, value, insteadOf: old, owner) } }.value
                return value
            }
            guard ContinuousClock.now < deadline else {
                throw PostgresError(.unavailable, "another worker has been renewing the token for too long")
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Repeats a call for as long as the database is away.
    private func outlasting<Value: Sendable>(_ call: @Sendable () async throws -> Value) async throws -> Value {
        while true {
            do {
                return try await call()
            } catch let error as PostgresError where error.passes {
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// Also where the turn has passed to another meanwhile, who keeps it: unless that one was faster, the value it was
    /// given is spent, and this one is all there is.
    private func store(_ name: String, _ value: String, insteadOf old: String?, _ owner: String) async throws {
        try await database.query(
            """
            update reelway_secrets set value = $3, updated_at = now(), lease_owner = nullif(lease_owner, $2),
                lease_until = case when lease_owner = $2 then null else lease_until end
            where name = $1 and (lease_owner = $2 or value is not distinct from $4)
            """, name, owner, value, old)
    }

    private func endTurn(_ name: String, _ owner: String) async throws {
        try await database.query(
            "update reelway_secrets set lease_owner = null, lease_until = null where name = $1 and lease_owner = $2",
            name,
            owner)
    }
}
