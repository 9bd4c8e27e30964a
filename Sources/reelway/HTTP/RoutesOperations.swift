import Foundation
import HTTPTypes
import Hummingbird
import Media

/// What the machines around the service ask: is it alive, can it work, what has it done, what does it serve.
struct OperationsRoutes: Sendable {
    let store: JobStore
    let metrics: Metrics
    let readiness: Readiness

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, "/healthz", access: .open) { _, _ in JSONAnswer.response(.ok, Health()) },
            Endpoint(.get, "/readyz", access: .open) { _, _ in
                try await readiness.check(store.database)
                return JSONAnswer.response(.ok, Health())
            },
            Endpoint(.get, "/metrics") { _, _ in await page() },
            Endpoint(.get, "/openapi.json") { _, _ in
                Response(
                    status: .ok, headers: [.contentType: JSONAnswer.contentType],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: Self.description)))
            },
        ]
    }

    private struct Health: Encodable {
        let status = "ok"
        let version = Reelway.version
    }

    /// `openapi.json` with the version that runs.
    private static let description = String(decoding: PackageResources.openapi_json, as: UTF8.self)
        .replacing("\"VERSION\"", with: "\"\(Reelway.version)\"")

    private func page() async -> Response {
        // What the process counts is worth more than the queue's length: the page comes without it if it must.
        let counts = try? await within(.seconds(3)) { [store] in try await store.counts() } ?? nil
        return Response(
            status: .ok, headers: [.contentType: MetricsPage.contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text(queue: counts))))
    }
}
