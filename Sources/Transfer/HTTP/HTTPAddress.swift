internal import CCurl

/// An http or https address, taken apart by the same parser that later connects to it.
struct HTTPAddress: Equatable {
    /// `http` or `https`, in lower case.
    let scheme: String
    /// In lower case, without a trailing dot; an IPv6 address in brackets.
    let host: String
    /// As written; `nil` where the address leaves it to the scheme.
    let port: Int?
    /// Begins with a slash; still percent-encoded.
    let path: String
    /// Whether a name or password stands in front of the host.
    let hasCredentials: Bool

    /// `nil` for what isn't an absolute http or https address.
    init?(_ url: String) {
        guard let handle = HTTPAddress.parse(url) else { return nil }
        defer { curl_url_cleanup(handle) }
        let part = { (part: CURLUPart) in HTTPAddress.part(handle, part) }
        guard let scheme = part(CURLUPART_SCHEME)?.lowercased(), ["http", "https"].contains(scheme),
            var host = part(CURLUPART_HOST)?.lowercased(), !host.isEmpty
        else { return nil }
        if host.hasSuffix(".") { host.removeLast() }
        self.scheme = scheme
        self.host = host
        port = part(CURLUPART_PORT).flatMap { Int($0) }
        path = part(CURLUPART_PATH) ?? "/"
        hasCredentials = part(CURLUPART_USER) != nil || part(CURLUPART_PASSWORD) != nil
    }

    /// Scheme, host and port: how the address may appear in messages. A path may be as secret as a query: that of
    /// personal OneDrive's downloads is.
    var origin: String { "\(scheme)://\(host)\(port.map { ":\($0)" } ?? "")" }

    /// How an address that was given as an input is called: without credentials, query and fragment.
    static func name(_ url: String) -> String {
        HTTPAddress(url).map { $0.origin + $0.path } ?? "an address that isn't http or https"
    }

    /// Where a `Location` header leads, seen from `base`. An absolute one is kept byte for byte: download addresses
    /// are signed as they are written. `nil` where it isn't an address.
    static func redirect(from base: String, to location: String) -> String? {
        if HTTPAddress(location) != nil, location.lowercased().hasPrefix("http") { return location }
        guard let handle = parse(base) else { return nil }
        defer { curl_url_cleanup(handle) }
        guard curl_url_set(handle, CURLUPART_URL, location, flags) == CURLUE_OK else { return nil }
        return part(handle, CURLUPART_URL)
    }

    /// Dots are the server's business; guessing schemes is nobody's.
    private static let flags = UInt32(CURLU_PATH_AS_IS)

    private static func parse(_ url: String) -> OpaquePointer? {
        guard let handle = curl_url() else { return nil }
        guard curl_url_set(handle, CURLUPART_URL, url, flags) == CURLUE_OK else {
            curl_url_cleanup(handle)
            return nil
        }
        return handle
    }

    private static func part(_ handle: OpaquePointer, _ part: CURLUPart) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, 0) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
