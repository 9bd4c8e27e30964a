internal import FoundationEssentials
internal import Glibc

/// Access tokens for Graph: kept while they are good, fetched once however many ask.
actor TokenProvider {
    private let settings: OneDrive.Settings
    private let client: HTTPClient
    private let store: any RefreshTokenStore
    private let retry: RetryPolicy
    private var current: (token: String, end: ContinuousClock.Instant)?
    private var pending: Task<Result<String, TransferError>, Never>?

    /// Refreshed this long before the end, so that no request is under way when it comes.
    private static let margin = Duration.seconds(120)

    init(_ settings: OneDrive.Settings, _ client: HTTPClient, _ store: any RefreshTokenStore, _ retry: RetryPolicy) {
        self.settings = settings
        self.client = client
        self.store = store
        self.retry = retry
    }

    /// A good token. `refused` is one that Graph didn't take: it is not given again. A cancelled task throws `cancelled`
    /// at once, while the refresh goes on: its result has replaced what was kept before.
    func token(refused: String? = nil) async throws(TransferError) -> String {
        if case .accessToken(let token) = settings.credential { return token }
        if let current, current.token != refused, ContinuousClock.now < current.end { return current.token }
        let task = pending ?? Task { await renewed() }
        pending = task
        let (results, result) = AsyncStream<Result<String, TransferError>>.makeStream()
        Task {
            result.yield(await task.value)
            result.finish()
        }
        // Ends without a result where this task is cancelled.
        for await result in results { return try result.get() }
        throw HTTPTransfer.cancelled
    }

    private func renewed() async -> Result<String, TransferError> {
        defer { pending = nil }
        do throws(TransferError) {
            let tokens = try await refresh()
            let lifetime = max(Duration.seconds(tokens.lifetime) - TokenProvider.margin, .seconds(tokens.lifetime / 2))
            current = (tokens.accessToken, .now + lifetime)
            return .success(tokens.accessToken)
        } catch {
            return .failure(error)
        }
    }

    private nonisolated func refresh() async throws(TransferError) -> RefreshedTokens {
        guard case .refreshToken(let given) = settings.credential else {
            return try await request([
                ("grant_type", "client_credentials"), ("scope", settings.applicationScope),
            ])
        }
        return try await store.rotate { kept throws(TransferError) in
            let form = { (token: String) in [("grant_type", "refresh_token"), ("refresh_token", token)] }
            guard let kept, kept != given else { return try await self.request(form(given)) }
            do throws(TransferError) {
                return try await self.request(form(kept))
            } catch  where error.code == .sourceAuth {
                // Whoever runs this may have signed in again since.
                return try await self.request(form(given))
            }
        }
    }

    private nonisolated func request(_ grant: [(String, String)]) async throws(TransferError) -> RefreshedTokens {
        var fields = [("client_id", settings.clientID)] + grant
        if let secret = settings.clientSecret { fields.append(("client_secret", secret)) }
        let form = fields.map { "\($0.0)=\(PercentEncoding.segment($0.1))" }.joined(separator: "&")
        var request = HTTPRequest(
            "POST", "\(settings.loginURL)/\(PercentEncoding.segment(settings.tenant))/oauth2/v2.0/token",
            headers: [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")],
            body: Array(form.utf8))
        request.maximumResponseBytes = 256 << 10
        return try await GraphExchange(client: client, retry: retry).perform(request) {
            response throws(TransferError) in
            struct Answer: Decodable {
                var access_token: String
                var expires_in: Double?
                var refresh_token: String?
            }
            guard response.head.status == 200,
                let answer = try? JSONDecoder().decode(Answer.self, from: Data(response.body))
            else {
                let (error, isTransient) = GraphError.tokenError(response, now: Int64(time(nil)))
                return isTransient ? .again(.status(503, retryAfter: error.retryAfter), error) : .failed(error)
            }
            return .done(
                RefreshedTokens(
                    // None lasts longer than a day, whatever is said.
                    accessToken: answer.access_token, lifetime: min(max(0, answer.expires_in ?? 3599), 86_400),
                    refreshToken: answer.refresh_token))
        }
    }
}
