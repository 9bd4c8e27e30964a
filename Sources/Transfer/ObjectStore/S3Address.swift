/// The addresses of one bucket's objects, ready to be signed: nothing in them is encoded again on the way.
struct S3Address: Sendable, Equatable {
    /// The store's host, for messages.
    let host: String
    /// Up to the bucket, without a slash behind it.
    private let root: String

    /// The bucket is the first segment behind the endpoint's path.
    ///
    /// - Parameter endpoint: `https://host`, with a port and a path where the store has them. `nil` where it isn't an
    ///   address that requests can be sent to.
    init?(endpoint: String, bucket: String) {
        guard let address = HTTPAddress(endpoint), !address.hasCredentials,
            !endpoint.contains("?"), !endpoint.contains("#")
        else { return nil }
        host = address.host
        // The Host header leaves the scheme's own port out, so the signature has to.
        let port = address.port.flatMap { $0 == (address.scheme == "https" ? 443 : 80) ? nil : ":\($0)" } ?? ""
        var path = address.path
        while path.hasSuffix("/") { path.removeLast() }
        root = "\(address.scheme)://\(address.host)\(port)\(path)/\(PercentEncoding.segment(bucket))"
    }

    /// The bucket itself.
    func bucket(_ query: [(String, String)] = []) -> String { S3Address.with(query, root) }

    /// An object.
    func object(_ key: String, _ query: [(String, String)] = []) -> String {
        S3Address.with(query, "\(root)/\(PercentEncoding.path(key))")
    }

    /// Why a key can't name an object; `nil` where it can. Dots alone in a segment would change on the way.
    static func fault(inKey key: String) -> String? {
        let segments = key.split(separator: "/", omittingEmptySubsequences: false)
        if key.isEmpty || key.hasPrefix("/") || key.hasSuffix("/") { return "it has to name an object" }
        if key.utf8.count > 1024 { return "it is longer than 1024 bytes" }
        if segments.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) {
            return "it has an empty segment, or one of dots alone"
        }
        if key.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            return "it has a control character"
        }
        return nil
    }

    private static func with(_ query: [(String, String)], _ address: String) -> String {
        query.isEmpty ? address : "\(address)?\(PercentEncoding.query(query))"
    }
}
