import Foundation
import Synchronization
import Testing

@testable import Transfer

/// Which connection a request goes out on.
@Suite(.serialized) struct ConnectionTests {
    @Test func `a connection is used again, and a closed one replaced, body and all`() throws {
        let server = try ScriptedServer { connection in
            // Two answers, then the end: the third request finds the connection closed.
            for _ in 0..<2 {
                guard let request = connection.request() else { return }
                connection.answer(200, [], request.body)
            }
        }
        let client = HTTPClient(.local)
        let body = Drive.noise(400_000)
        for _ in 0..<4 {
            #expect(try client.send(HTTPRequest("PUT", server.url, body: body)).body == body)
            usleep(30_000)
        }
        #expect(server.connections == 2)
    }

    @Test func `a connection that was idle for too long is not used again, whatever was said on it`() throws {
        let server = try ScriptedServer { connection in
            guard connection.request() != nil else { return }
            connection.answer(200)
            // Apart from the answer, as TLS says that it ends.
            usleep(300_000)
            connection.send("?")
        }
        var options = HTTPClient.Options.local
        options.mostIdleSeconds = 1
        let client = HTTPClient(options)
        for _ in 0..<2 {
            #expect(try client.send(HTTPRequest("GET", server.url)).head.status == 200)
            Thread.sleep(forTimeInterval: 2.1)
        }
    }

    @Test func `a request that may have taken effect is not sent again unseen`() throws {
        let taken = Mutex(0)
        let server = try ScriptedServer { connection in
            while let request = connection.request() {
                guard request.head.hasPrefix("POST") else {
                    connection.answer(200)
                    continue
                }
                taken.withLock { $0 += 1 }
                return connection.reset()
            }
        }
        let client = HTTPClient(.local)
        _ = try client.send(HTTPRequest("GET", server.url))
        let error = #expect(throws: TransferError.self) {
            try client.send(HTTPRequest("POST", server.url, body: [1]))
        }
        #expect(error?.code == .sourceUnavailable)
        #expect(taken.withLock { $0 } == 1)
    }
}
