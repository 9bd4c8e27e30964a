import Glibc
import Synchronization

/// Requests at fixed times, whether or not the ones before were answered: an answer's latency counts from the time its
/// request was meant to leave, so a server that stalls can't slow its own measurement down.
struct LoadGenerator {
    let port: UInt16
    let rate: Double
    let seconds: Double
    /// As many may wait for an answer at once.
    var connections = 64
    /// The bytes of request number N.
    let request: @Sendable (Int) -> String

    struct Outcome {
        /// Seconds, in no order.
        var latencies: [Double] = []
        /// Answers by status.
        var statuses: [Int: Int] = [:]
    }

    func run() throws -> Outcome {
        let shared = Shared()
        let threads = try (0..<connections).map { _ in
            try PlainThread { [self] in
                do {
                    let line = try HTTPLine(port: port)
                    while let number = shared.next(of: Int(rate * seconds)) {
                        let due = shared.begun + .seconds(Double(number) / rate)
                        let wait = ContinuousClock.now.duration(to: due)
                        if wait > .zero { usleep(UInt32(wait / .microseconds(1))) }
                        let status = try line.ask(request(number))
                        shared.add(status, due.duration(to: .now) / .seconds(1))
                    }
                } catch {
                    shared.fail(error)
                }
            }
        }
        for thread in threads { thread.join() }
        return try shared.result()
    }

    private final class Shared: Sendable {
        let begun = ContinuousClock.now + .milliseconds(100)
        private let state = Mutex((next: 0, outcome: Outcome(), error: (any Error)?.none))

        func next(of count: Int) -> Int? {
            state.withLock { state in
                guard state.next < count else { return nil }
                defer { state.next += 1 }
                return state.next
            }
        }

        func add(_ status: Int, _ latency: Double) {
            state.withLock {
                $0.outcome.latencies.append(latency)
                $0.outcome.statuses[status, default: 0] += 1
            }
        }

        func fail(_ error: any Error) { state.withLock { $0.error = $0.error ?? error } }

        func result() throws -> Outcome {
            try state.withLock { state in
                if let error = state.error { throw error }
                return state.outcome
            }
        }
    }
}

/// A thread of the system's: what blocks on a socket must not hold one of Swift's.
final class PlainThread {
    private var thread = pthread_t()

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    init(_ run: @escaping @Sendable () -> Void) throws {
        let body = Unmanaged.passRetained(Body(run))
        let status = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        guard status == 0 else {
            body.release()
            throw BenchError("no thread can be started")
        }
    }

    func join() { pthread_join(thread, nil) }
}

/// One kept-alive connection to 127.0.0.1, one request after the other.
final class HTTPLine {
    private let socket: Int32

    init(port: UInt16) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        let socket = socket
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw BenchError("nothing listens on port \(port)") }
    }

    deinit { close(socket) }

    /// Sends a request and reads its answer to the end.
    /// - Returns: The answer's status.
    func ask(_ request: String) throws -> Int { try answer(request).status }

    /// The answer and its body, which has to come with a Content-Length.
    func answer(_ request: String) throws -> (status: Int, body: String) {
        var rest = Array(request.utf8)[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { throw BenchError("the connection broke while sending") }
            rest = rest.dropFirst(sent)
        }
        var text = ""
        while true {
            var buffer = [UInt8](repeating: 0, count: 16384)
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { throw BenchError("the connection broke before the answer was whole") }
            text += String(decoding: buffer[..<count], as: UTF8.self)
            guard let end = text.ranges(of: "\r\n\r\n").first else { continue }
            let head = text[..<end.lowerBound].lowercased()
            let lines = head.split(whereSeparator: \.isNewline)
            let length = lines.first { $0.hasPrefix("content-length:") }.flatMap { Int($0.filter(\.isNumber)) }
            let words = lines.first?.split(separator: " ") ?? []
            guard let length, words.count > 1, let status = Int(words[1]) else {
                throw BenchError("an answer that can't be understood: \(head.prefix(100))")
            }
            let body = text[end.upperBound...]
            if body.utf8.count >= length { return (status, String(body)) }
        }
    }
}
