import ArgumentParser
import Foundation
import LoopbackHTTP
import StorageFaults

/// `storage-proxy --upstream URL`: a link of known speed before an object store, until SIGTERM or SIGINT.
@main
struct StorageProxyProgram: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage-proxy",
        abstract: "Passes requests to an object store on 127.0.0.1 untouched, at the speed of a slower link.")

    @Option(help: "The store: http://127.0.0.1:PORT.")
    var upstream: String

    @Option(help: "The port to listen on; 0 takes a free one.")
    var port = 0

    @Option(help: "MiB/s to the store over all connections.")
    var upMib: Double?

    @Option(help: "MiB/s to the store for each connection.")
    var connectionUpMib: Double?

    @Option(help: "MiB/s from the store over all connections.")
    var downMib: Double?

    @Option(help: "Milliseconds before each request is passed on.")
    var latencyMs = 0

    @Option(help: "Write the proxy's address to this file once it listens.")
    var readyFile: String?

    @Option(help: "Write every request to this file at the end, one JSON object a line.")
    var requestsFile: String?

    func validate() throws {
        for rate in [upMib, connectionUpMib, downMib].compactMap({ $0 }) where !(rate > 0) {
            throw ValidationError("a bandwidth must be above 0 MiB/s")
        }
    }

    func run() async throws {
        let signals = StopSignals()
        let proxy = try await StorageProxy.start(upstream: upstream, port: port)
        func bytes(_ mebibytes: Double?) -> Double? { mebibytes.map { $0 * 1_048_576 } }
        proxy.setBandwidth(
            up: Throttle.Limits(perConnection: bytes(connectionUpMib), total: bytes(upMib)),
            down: Throttle.Limits(total: bytes(downMib)))
        proxy.setLatency(.milliseconds(latencyMs))
        print(proxy.url)
        fflush(nil)
        if let readyFile { try Data(proxy.url.utf8).write(to: URL(fileURLWithPath: readyFile), options: .atomic) }
        await signals.first()
        await proxy.stop()
        if let requestsFile { try RequestLines.write(proxy.requests, to: requestsFile) }
    }
}
