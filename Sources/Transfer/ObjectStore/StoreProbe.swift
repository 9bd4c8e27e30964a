internal import Foundation

/// What trying a store out has shown.
public struct StoreProbe: Sendable, Equatable {
    /// Whether the object could be fetched at its public address without credentials.
    public var isPubliclyReadable: Bool
    /// That address, of the probe that is deleted again.
    public var publicURL: String

    /// Makes a finding.
    public init(isPubliclyReadable: Bool, publicURL: String) {
        self.isPubliclyReadable = isPubliclyReadable
        self.publicURL = publicURL
    }

    typealias Cancellation = @Sendable () -> Bool

    /// Writes, reads and deletes a small object by a store's own operations.
    static func run(
        _ store: String, _ client: HTTPClient, _ isCancelled: @escaping Cancellation,
        put: (String, [UInt8], @escaping Cancellation) throws -> Void,
        get: (String, @escaping Cancellation) throws -> [UInt8],
        delete: (String, @escaping Cancellation) throws -> Void, publicURL: (String) -> String
    ) throws -> StoreProbe {
        let content = Array("reelway".utf8)
        let key = "reelway-probe/\(UUID().uuidString.lowercased()).mp4"
        do {
            try put(key, content, isCancelled)
            guard try get(key, isCancelled) == content else {
                throw TransferError(
                    .storageUnavailable, "\(store) gives other bytes back than were written; check the endpoint")
            }
            let url = publicURL(key)
            let fetched = try? client.send(HTTPRequest("GET", url), isCancelled: isCancelled)
            try delete(key, isCancelled)
            return StoreProbe(
                isPubliclyReadable: fetched?.head.status == 200 && fetched?.body == content, publicURL: url)
        } catch {
            let deadline = ContinuousClock.now + .seconds(10)
            try? delete(key) { ContinuousClock.now >= deadline }
            throw error
        }
    }
}
