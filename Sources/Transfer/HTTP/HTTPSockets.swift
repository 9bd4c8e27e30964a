internal import CCurl
internal import Glibc

/// The sockets of a client's connections, which libcurl (7.88) doesn't tell of while an exchange is under way: each is noted
/// under the ends of its connection when its first exchange begins. Lives on the client's thread.
final class HTTPSockets {
    /// Both ends, as libcurl writes them.
    struct Ends: Hashable {
        let remote: String
        let remotePort: Int32
        let local: String
        let localPort: Int32
    }

    /// By socket, whose number is used again once it is closed: there are never more than were open at once.
    private(set) var known: [curl_socket_t: Ends] = [:]

    /// The socket of an exchange that begins.
    ///
    /// - Parameter opened: the sockets that were opened for it; none where a connection is used again.
    func socket(of ends: Ends, among opened: [curl_socket_t]) -> curl_socket_t? {
        if let new = opened.first(where: { HTTPSockets.port(of: $0) == ends.localPort }) {
            known = known.filter { $0.value != ends }
            known[new] = ends
        }
        return known.first { $0.value == ends }?.key
    }

    private static func port(of socket: curl_socket_t) -> Int32? {
        // Of either family: the port stands in the same place.
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        return result == 0 ? Int32(UInt16(bigEndian: address.sin6_port)) : nil
    }
}
