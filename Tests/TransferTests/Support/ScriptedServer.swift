import Foundation
import Glibc
import Synchronization

/// A server on loopback that does to each connection what a test tells it: real sockets, any misbehaviour.
///
/// The script runs on a thread of its own for each connection, which is closed when the script returns.
final class ScriptedServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let accepted = Mutex(0)
    private let script: @Sendable (Connection) -> Void

    /// How many connections came so far.
    var connections: Int { accepted.withLock { $0 } }
    var url: String { "http://127.0.0.1:\(port)" }

    /// - Parameter receiveBuffer: bytes that the kernel takes before the script reads them; its own choice where `nil`.
    init(receiveBuffer: Int32? = nil, _ script: @escaping @Sendable (Connection) -> Void) throws {
        self.script = script
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var receiveBuffer {
            setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard bound else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [weak self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                guard let self else { return _ = close(descriptor) }
                let index = accepted.withLock { count in
                    defer { count += 1 }
                    return count
                }
                let script = self.script
                Thread.detachNewThread {
                    let connection = Connection(descriptor, index: index)
                    script(connection)
                    connection.close()
                }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// One accepted connection. Used by its script's thread only.
    final class Connection {
        /// 0 for the server's first.
        let index: Int
        private var descriptor: Int32
        private var unread: [UInt8] = []

        init(_ descriptor: Int32, index: Int) {
            self.descriptor = descriptor
            self.index = index
        }

        /// The next request with its whole body; `nil` when the client has closed.
        ///
        /// - Parameter bytesPerSecond: how fast it is read.
        func request(bytesPerSecond: Int = .max) -> (head: String, body: [UInt8])? {
            let blank = Array("\r\n\r\n".utf8)
            var end: Int?
            while end == nil {
                if unread.count >= 4 {
                    end = (0...unread.count - 4).first { unread[$0..<$0 + 4].elementsEqual(blank) }
                }
                if end == nil, !fill(bytesPerSecond) { return nil }
            }
            guard let end else { return nil }
            let head = String(decoding: unread[..<end], as: UTF8.self)
            let length = head.split(separator: "\r\n").lazy.compactMap { line -> Int? in
                let parts = line.split(separator: ":")
                return parts.first?.lowercased() == "content-length"
                    ? Int(parts[1].trimmingCharacters(in: .whitespaces)) : nil
            }.first
            let total = end + 4 + (length ?? 0)
            while unread.count < total { if !fill(bytesPerSecond) { return nil } }
            defer { unread.removeFirst(total) }
            return (head, Array(unread[(end + 4)..<total]))
        }

        private func fill(_ bytesPerSecond: Int) -> Bool {
            var buffer = [UInt8](repeating: 0, count: min(64 << 10, bytesPerSecond / 10))
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return false }
            unread += buffer[..<count]
            if bytesPerSecond < .max { Thread.sleep(forTimeInterval: Double(count) / Double(bytesPerSecond)) }
            return true
        }

        @discardableResult
        func send(_ text: String) -> Bool { send(Array(text.utf8)) }

        @discardableResult
        func send(_ bytes: [UInt8]) -> Bool {
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }

        /// The same every tenth of a second, as long as the other side listens.
        func drip(_ text: String, for seconds: Double) {
            let end = Date(timeIntervalSinceNow: seconds)
            while end.timeIntervalSinceNow > 0, send(text) { Thread.sleep(forTimeInterval: 0.1) }
        }

        /// A whole answer with its length.
        @discardableResult
        func answer(_ status: Int, _ headers: [String] = [], _ body: [UInt8] = []) -> Bool {
            let lines = ["HTTP/1.1 \(status) Said so", "Content-Length: \(body.count)"] + headers
            return send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body)
        }

        /// Whether the client closes within the time.
        func waitForClose(seconds: Double) -> Bool {
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let deadline = Date(timeIntervalSinceNow: seconds)
            while deadline.timeIntervalSinceNow > 0 {
                guard Glibc.poll(&poll, 1, 50) > 0 else { continue }
                var byte: UInt8 = 0
                if recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) <= 0 { return true }
            }
            return false
        }

        /// Ends with a TCP reset instead of a close.
        func reset() {
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
            close()
        }

        func close() {
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
        }
    }
}
