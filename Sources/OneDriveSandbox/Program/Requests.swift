import Foundation
import LoopbackHTTP

/// Recorded requests as lines of JSON; seconds count from the first request.
enum Requests {
    private struct Line: Encodable {
        let connection: Int
        let method: String
        let path: String
        let item: String?
        let range: String?
        let status: Int?
        let bytesSent: Int64
        let outcome: String
        let fault: String?
        let arrived: Double
        let seconds: Double?
    }

    static func write(_ requests: [RecordedRequest], to path: String) throws {
        let form = JSONEncoder()
        form.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var text = Data()
        for request in requests {
            let start = requests.first?.arrived ?? request.arrived
            text += try form.encode(
                Line(
                    connection: request.connection, method: request.method, path: request.path, item: request.subject,
                    range: request.range, status: request.status, bytesSent: request.bytesSent,
                    outcome: request.outcome.rawValue, fault: request.fault,
                    arrived: (request.arrived - start) / .seconds(1),
                    seconds: request.finished.map { ($0 - request.arrived) / .seconds(1) }))
            text.append(10)
        }
        try text.write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
