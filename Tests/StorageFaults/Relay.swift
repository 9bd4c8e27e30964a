import Foundation
import LoopbackHTTP
import NIOCore

/// Passes one request on and its answer back, with the fault that is due.
struct Relay: Sendable {
    let upstream: Upstream
    let queue: StorageFaultQueue
    let latency: Latency

    func answer(_ exchange: Exchange) async throws {
        let request = exchange.request
        let query = S3Operation.query(of: request)
        let replacements = queue.replacements
        let fault = queue.next(method: request.method, path: request.path, query: query)
        let hold: Hold = { try await queue.wait($0, since: replacements) }
        exchange.note {
            $0.subject = S3Operation.name(method: request.method, path: request.path, query: query)
            $0.fault = fault.map { String(String(describing: $0).prefix { $0 != "(" }) }
        }
        try await latency.pass()
        switch fault {
        case .refuse(let answer):
            while try await exchange.receive() != nil {}
            return try await send(answer, on: exchange)
        case .refuseEarly(let answer):
            try await send(answer, on: exchange, headers: [("Connection", "close")])
            return await exchange.close()
        case .delay(let seconds): try await hold(seconds)
        default: break
        }
        do {
            try await upstream.exchange(request) { body in
                try await pass(exchange, to: body, fault, hold)
            } answer: { status, headers, parts in
                try await give(status, headers, parts, on: exchange, fault, hold)
            }
        } catch is Broken {
            await exchange.reset()
        }
    }

    /// Waits for a fault's seconds.
    private typealias Hold = @Sendable (Double) async throws -> Void

    /// The fault broke the connection on purpose.
    private struct Broken: Error {}

    /// The request's body, on its way to the store.
    private func pass(
        _ exchange: Exchange, to store: Upstream.Body, _ fault: StorageFault.Action?, _ hold: Hold
    ) async throws {
        var passed: Int64 = 0
        var fault = fault
        while true {
            if case .reset(let limit) = fault, passed >= limit { throw Broken() }
            if case .stall(let place, let seconds) = fault, passed >= place {
                fault = nil
                try await hold(seconds)
            }
            guard var bytes = try await exchange.receive() else { return }
            var held: ByteBuffer?
            switch fault {
            case .reset(let place), .stall(let place, _):
                if passed + Int64(bytes.readableBytes) > place {
                    held = bytes
                    bytes = held?.readSlice(length: Int(place - passed)) ?? bytes
                }
            case .corrupt(let place):
                if let index = Int(exactly: place - passed), (0..<bytes.readableBytes).contains(index) {
                    let byte: UInt8 = bytes.getInteger(at: bytes.readerIndex + index) ?? 0
                    bytes.setInteger(~byte, at: bytes.readerIndex + index)
                }
            default: break
            }
            try await store.send(bytes)
            passed += Int64(bytes.readableBytes)
            if let held {
                if case .stall(_, let seconds) = fault {
                    try await hold(seconds)
                } else {
                    throw Broken()
                }
                fault = nil
                try await store.send(held)
                passed += Int64(held.readableBytes)
            }
        }
    }

    /// The store's answer, on its way to the client.
    private func give(
        _ status: Int, _ headers: [(name: String, value: String)], _ answer: Upstream.Answer, on exchange: Exchange,
        _ fault: StorageFault.Action?, _ hold: Hold
    ) async throws {
        var headers = headers
        switch fault {
        case .replaceAnswer(let replacement):
            try await answer.discard()
            return try await send(replacement, on: exchange)
        case .cutAfterwards:
            try await answer.discard()
            throw Broken()
        case .delayAfterwards(let seconds):
            let body = try await answer.collect()
            exchange.note { $0.status = status }
            try await hold(seconds)
            try await exchange.send(status: status, headers: headers)
            try await exchange.send(body)
            return try await exchange.finish()
        case .eTag(let tag):
            headers.removeAll { $0.name.lowercased() == "etag" }
            if !tag.isEmpty { headers.append(("ETag", tag)) }
        default: break
        }
        try await exchange.send(status: status, headers: headers)
        var passed: Int64 = 0
        while var bytes = try await answer.next() {
            if case .cutAnswer(let place) = fault, passed + Int64(bytes.readableBytes) >= place {
                if let last = bytes.readSlice(length: Int(place - passed)) { try await exchange.send(last) }
                return await exchange.close()
            }
            try await exchange.send(bytes)
            passed += Int64(bytes.readableBytes)
        }
        try await exchange.finish()
    }

    private func send(
        _ answer: StorageFault.Answer, on exchange: Exchange, headers: [(name: String, value: String)] = []
    ) async throws {
        var headers = headers + [("Content-Type", answer.contentType)]
        if let seconds = answer.retryAfter { headers.append(("Retry-After", String(seconds))) }
        try await exchange.answer(status: answer.status, headers: headers, body: ByteBuffer(string: answer.body))
    }
}

/// What a request to an S3 store is.
enum S3Operation {
    /// The query's parameters, decoded; of a repeated one the last.
    static func query(of request: LoopbackRequest) -> [String: String] {
        var values: [String: String] = [:]
        for pair in (request.query ?? "").split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.removingPercentEncoding ?? String($0) }
            if let name = halves.first { values[name] = halves.count > 1 ? halves[1] : "" }
        }
        return values
    }

    static func name(method: String, path: String, query: [String: String]) -> String {
        let isBucket = path.split(separator: "/").count < 2
        switch method {
        case "POST" where query["uploads"] != nil: return "CreateMultipartUpload"
        case "POST" where query["uploadId"] != nil: return "CompleteMultipartUpload"
        case "POST" where query["delete"] != nil: return "DeleteObjects"
        case "PUT" where query["partNumber"] != nil: return "UploadPart \(query["partNumber"] ?? "")"
        case "DELETE" where query["uploadId"] != nil: return "AbortMultipartUpload"
        case "GET" where query["uploads"] != nil: return "ListMultipartUploads"
        case "GET" where query["uploadId"] != nil: return "ListParts"
        case "PUT": return isBucket ? "CreateBucket" : "PutObject"
        case "GET": return isBucket ? "ListObjects" : "GetObject"
        case "HEAD": return isBucket ? "HeadBucket" : "HeadObject"
        case "DELETE": return isBucket ? "DeleteBucket" : "DeleteObject"
        default: return method
        }
    }
}
