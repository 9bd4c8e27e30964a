internal import Foundation

/// Recorded requests as lines of JSON, for programs that measure from outside.
public enum RequestLines {
    private struct Line: Encodable {
        let connection: Int
        let method: String
        let path: String
        let subject: String?
        let range: String?
        let status: Int?
        let bytesReceived: Int64
        let bytesSent: Int64
        let outcome: String
        let fault: String?
        let arrived: Double
        let finished: Double?
    }

    /// Writes a file, one object a line. Times are seconds since the Unix epoch.
    /// - Throws: When the file can't be written.
    public static func write(_ requests: [RecordedRequest], to path: String) throws {
        let form = JSONEncoder()
        form.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let (instant, time) = (ContinuousClock.now, Date().timeIntervalSince1970)
        func seconds(_ moment: ContinuousClock.Instant) -> Double { time - (instant - moment) / .seconds(1) }
        var text = Data()
        for request in requests {
            text += try form.encode(
                Line(
                    connection: request.connection, method: request.method, path: request.path,
                    subject: request.subject, range: request.range, status: request.status,
                    bytesReceived: request.bytesReceived, bytesSent: request.bytesSent,
                    outcome: request.outcome.rawValue, fault: request.fault, arrived: seconds(request.arrived),
                    finished: request.finished.map(seconds)))
            text.append(10)
        }
        try text.write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
