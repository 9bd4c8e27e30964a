/// One HTTP exchange to make. The address is sent byte for byte: nothing is re-encoded or re-ordered.
public struct HTTPRequest: Sendable {
    /// `GET`, `HEAD`, `PUT` …
    public var method: String
    /// Absolute address; its query may be a secret and appears in no message.
    public var url: String
    /// Sent in this order.
    public var headers: [(name: String, value: String)]
    /// Sent with its length; `nil` for none.
    public var body: [UInt8]?
    /// A larger answer ends a collected exchange with an error; streamed answers have no limit.
    public var maximumResponseBytes = 1 << 20
    /// Whether a byte now and then shows that the server still works; otherwise only some KiB do.
    public var mayDrip = false
    /// Where the answer is collected: hears how many more bytes of the body have arrived, on the client's thread.
    public var onSent: (@Sendable (Int) -> Void)?

    /// Makes a request.
    public init(_ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// The status line and headers of an answer.
public struct HTTPHead: Sendable {
    /// `200`, `404` …
    public var status: Int
    /// As received; a repeated header appears repeatedly.
    public var headers: [(name: String, value: String)]

    /// Makes a head.
    public init(status: Int, headers: [(name: String, value: String)] = []) {
        self.status = status
        self.headers = headers
    }

    /// The first header of that name, whatever its case.
    public subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// A whole answer.
public struct HTTPResponse: Sendable {
    /// Status and headers.
    public var head: HTTPHead
    /// The body.
    public var body: [UInt8]

    /// Makes an answer.
    public init(head: HTTPHead, body: [UInt8] = []) {
        self.head = head
        self.body = body
    }
}
