import Foundation
import Glibc
import Synchronization

/// Answers every connection with one error of the protocol, as a pooler does that has nothing to lend.
final class RefusingServer: Sendable {
    let address: String
    private let listener: Int32
    private let count = Count()

    private final class Count: Sendable {
        let answers = Atomic(0)
    }

    /// Connections that have been answered.
    var answers: Int { count.answers.load(ordering: .relaxed) }

    init(sqlState: String, _ message: String) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (listener, size) = (listener, length)
        let fault = withUnsafeMutablePointer(to: &place) { place in
            place.withMemoryRebound(to: sockaddr.self, capacity: 1) { place in
                bind(listener, place, size) | listen(listener, 16) | getsockname(listener, place, &length)
            }
        }
        guard fault == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
        address = "postgres://u@127.0.0.1:\(UInt16(bigEndian: place.sin_port))/d?sslmode=disable&gssencmode=disable"
        let fields = "SFATAL\0VFATAL\0C\(sqlState)\0M\(message)\0\0"
        let answer = [UInt8(ascii: "E"), 0, 0, 0, UInt8(4 + fields.utf8.count)] + Array(fields.utf8)
        Thread.detachNewThread { [count] in
            while case let client = accept(listener, nil, nil), client >= 0 {
                var startup = [UInt8](repeating: 0, count: 4096)
                _ = read(client, &startup, startup.count)
                _ = write(client, answer, answer.count)
                close(client)
                count.answers.add(1, ordering: .relaxed)
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}
