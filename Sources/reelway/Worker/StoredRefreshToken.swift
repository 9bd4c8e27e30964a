import Crypto
import Synchronization
import Transfer

/// Keeps OneDrive's rotating refresh token in the database: each use replaces it, and all workers share it.
struct StoredRefreshToken: RefreshTokenStore {
    private let store: JobStore
    private let name: String
    private let given: String?
    private let lease: Double

    init(_ settings: Settings, in store: JobStore) {
        self.store = store
        // Who dies meanwhile keeps the others waiting for less than what they take for a standstill.
        lease = settings.worker.stallSeconds * 2 / 3
        if case .refreshToken(let token)? = settings.oneDrive.credential { given = token.revealed } else { given = nil }
        // A token set anew isn't overruled by what became of the one before.
        let digest = SHA256.hash(data: Array((given ?? "").utf8))
        name = "onedrive-refresh-token/\(Hexadecimal.string(digest.prefix(8)))"
    }

    func rotate(
        _ refresh: @Sendable (_ kept: String?) async throws(TransferError) -> RefreshedTokens
    ) async throws(TransferError) -> RefreshedTokens {
        let refreshed = Mutex<RefreshedTokens?>(nil)
        do {
            _ = try await store.replaceSecret(name, lease: lease) { kept in
                let tokens = try await refresh(kept)
                refreshed.withLock { $0 = tokens }
                return tokens.refreshToken ?? kept ?? given ?? ""
            }
        } catch let error as TransferError {
            throw error
        } catch {
            throw TransferError(.sourceUnavailable, "the sign-in can't be renewed: \(Failure(error).message)")
        }
        guard let tokens = refreshed.withLock({ $0 }) else {
            throw TransferError(.sourceUnavailable, "the sign-in was not renewed; try again")
        }
        return tokens
    }
}
