import Glibc
import Testing

@testable import Transfer

struct HTTPSocketsTests {
    @Test func `no more is known of connections than were open at once, and the newest of the same ends counts`() throws
    {
        let sockets = HTTPSockets()
        var open: Set<Int32> = []
        for round in 0..<200 {
            let (socket, port) = try Self.listening()
            open.insert(socket)
            let ends = HTTPSockets.Ends(
                remote: "127.0.0.\(round)", remotePort: 443, local: "127.0.0.1", localPort: port)
            #expect(sockets.socket(of: ends, among: [socket]) == socket)
            #expect(sockets.socket(of: ends, among: []) == socket)
            close(socket)
        }
        #expect(sockets.known.count <= open.count && open.count < 100)
        let (first, port) = try Self.listening()
        let ends = HTTPSockets.Ends(remote: "127.0.0.1", remotePort: 443, local: "127.0.0.1", localPort: port)
        #expect(sockets.socket(of: ends, among: [first]) == first)
        let second = dup(first)
        defer { for socket in [first, second] { close(socket) } }
        #expect(sockets.socket(of: ends, among: [second]) == second)
        #expect(sockets.socket(of: ends, among: []) == second)
    }

    /// A socket with a port of its own.
    private static func listening() throws -> (socket: Int32, port: Int32) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(isBound)
        return (socket, Int32(UInt16(bigEndian: address.sin_port)))
    }
}
