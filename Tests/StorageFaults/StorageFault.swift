internal import LoopbackHTTP
import Synchronization

/// Something that goes wrong between a client and a store, at which request and how often.
public struct StorageFault: Sendable {
    /// What goes wrong.
    public enum Action: Sendable, Equatable {
        /// An answer of the proxy's own; the store never hears of the request. The body is read to its end first.
        case refuse(Answer)
        /// The same, but at once: the body is not read and the connection ends.
        case refuseEarly(Answer)
        /// The store takes the request; its answer is thrown away and this one sent.
        case replaceAnswer(Answer)
        /// The store takes the request; the connection is reset instead of an answer.
        case cutAfterwards
        /// The store takes the request; its answer is passed on so much later.
        case delayAfterwards(seconds: Double)
        /// The request is passed on so much later.
        case delay(seconds: Double)
        /// Both connections are reset when so many bytes of the request's body have been passed on.
        case reset(atByte: Int64)
        /// The request's body pauses after so many bytes.
        case stall(atByte: Int64, seconds: Double)
        /// This byte of the request's body is inverted on its way.
        case corrupt(byte: Int64)
        /// The answer's ETag header becomes this; empty takes it away.
        case eTag(String)
        /// The answer's body ends after so many bytes, and the connection with it.
        case cutAnswer(atByte: Int64)
    }

    /// An answer made up by the proxy.
    public struct Answer: Sendable, Equatable {
        /// The status.
        public var status: Int
        /// `Retry-After` in seconds.
        public var retryAfter: Int?
        /// The body's type.
        public var contentType: String
        /// The body.
        public var body: String

        /// An answer with any body.
        public init(status: Int, retryAfter: Int? = nil, contentType: String, body: String) {
            self.status = status
            self.retryAfter = retryAfter
            self.contentType = contentType
            self.body = body
        }

        /// An error as S3 tells it: XML with the status's usual code, or another.
        public static func s3(_ status: Int, code: String? = nil, retryAfter: Int? = nil) -> Answer {
            let usual =
                switch status {
                case 400: "InvalidRequest"
                case 403: "AccessDenied"
                case 404: "NoSuchUpload"
                case 409: "OperationAborted"
                case 413: "EntityTooLarge"
                case 429, 503: "SlowDown"
                default: "InternalError"
                }
            let xml =
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code ?? usual)</Code>"
                + "<Message>The storage proxy was told to refuse.</Message><RequestId>0</RequestId></Error>"
            return Answer(status: status, retryAfter: retryAfter, contentType: "application/xml", body: xml)
        }

        /// An error as Supabase's REST routes tell it: HTTP 400 (or the status itself from 500 on), the real status in
        /// the JSON.
        public static func supabase(_ status: Int, error: String, message: String) -> Answer {
            Answer(
                status: status >= 500 || status == 429 ? status : 400, contentType: "application/json; charset=utf-8",
                body: "{\"statusCode\":\"\(status)\",\"error\":\"\(error)\",\"message\":\"\(message)\"}")
        }
    }

    /// For `times`: at every fitting request.
    public static let always = Int.max

    /// What goes wrong.
    public var action: Action
    /// `PUT`, `POST` …; `nil` fits all.
    public var method: String?
    /// Occurs in the path; `nil` fits all.
    public var path: String?
    /// Parameters that the query must have: with that value, or with any where it is `nil`.
    public var query: [String: String?]
    /// Parameters that the query must not have.
    public var without: Set<String>
    /// So many fitting requests are passed on well before.
    public var skip: Int
    /// How often it happens.
    public var times: Int

    /// Makes a fault.
    public init(
        _ action: Action, method: String? = nil, path: String? = nil, query: [String: String?] = [:],
        without: Set<String> = [], skip: Int = 0, times: Int = 1
    ) {
        self.action = action
        self.method = method
        self.path = path
        self.query = query
        self.without = without
        self.skip = skip
        self.times = times
    }

    /// At the creation of a multipart upload.
    public static func create(_ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "POST", query: ["uploads": nil], skip: skip, times: times)
    }

    /// At the upload of a part; `nil` is any part.
    public static func part(_ number: Int? = nil, _ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(
            action, method: "PUT", query: ["partNumber": number.map(String.init), "uploadId": nil], skip: skip,
            times: times)
    }

    /// At the completion of a multipart upload.
    public static func complete(_ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "POST", query: ["uploadId": nil], skip: skip, times: times)
    }

    /// At the abortion of a multipart upload.
    public static func abort(_ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "DELETE", query: ["uploadId": nil], skip: skip, times: times)
    }

    /// At the upload of a whole object.
    public static func put(_ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "PUT", without: ["partNumber", "uploadId"], skip: skip, times: times)
    }

    /// At HEAD of an object.
    public static func head(_ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "HEAD", skip: skip, times: times)
    }

    /// At the fetch of an object.
    public static func get(_ action: Action, skip: Int = 0, times: Int = 1) -> StorageFault {
        StorageFault(action, method: "GET", without: ["list-type", "uploads", "uploadId"], skip: skip, times: times)
    }

    func fits(method: String, path: String, query: [String: String]) -> Bool {
        if let wanted = self.method, wanted != method { return false }
        if let wanted = self.path, !path.contains(wanted) { return false }
        if !without.isDisjoint(with: query.keys) { return false }
        return self.query.allSatisfy { name, value in
            guard let found = query[name] else { return false }
            return value.map { $0 == found } ?? true
        }
    }
}

/// The faults still to come.
final class StorageFaultQueue: Sendable {
    private let state = Mutex((entries: [(fault: StorageFault, seen: Int)](), replacements: 0))

    /// Also ends what waits because of the faults before.
    func replace(with faults: [StorageFault]) {
        state.withLock { $0 = (faults.map { ($0, 0) }, $0.replacements + 1) }
    }
    func append(_ faults: [StorageFault]) { state.withLock { $0.entries += faults.map { ($0, 0) } } }

    /// How often the faults were replaced.
    var replacements: Int { state.withLock { $0.replacements } }

    /// Waits for a fault's time, or until the faults that held when it was taken are replaced.
    func wait(_ seconds: Double, since replacements: Int) async throws {
        try await Latency.wait(.seconds(seconds)) { self.replacements == replacements }
    }

    /// The fault for this request, if one is due: the first that fits. Counts the request for all that fit before it.
    func next(method: String, path: String, query: [String: String]) -> StorageFault.Action? {
        state.withLock { state in
            for index in state.entries.indices
            where state.entries[index].fault.fits(method: method, path: path, query: query) {
                let fault = state.entries[index].fault
                let turn = state.entries[index].seen - fault.skip
                guard turn < fault.times else { continue }
                state.entries[index].seen += 1
                if turn >= 0 { return fault.action }
            }
            return nil
        }
    }
}
