internal import Foundation

/// S3's operations on one bucket: each a signed request, repeated by the policy, and its answer read.
///
/// A refusal that the caller may want to look at comes back as a `StorageFailure`; a cancellation is thrown.
struct S3Client: Sendable {
    let address: S3Address
    let signer: SignatureV4
    var exchange: StoreExchange
    /// Bodies are hashed where no TLS protects them.
    private let signsPayload: Bool

    typealias Outcome = StoreExchange.Outcome
    typealias Cancellation = @Sendable () -> Bool

    /// What every object is stored with: served as a video, and never changed under its address.
    static let objectHeaders = [
        (name: "Content-Type", value: "video/mp4"),
        (name: "Cache-Control", value: "public, max-age=31536000, immutable"),
    ]

    init(address: S3Address, signer: SignatureV4, exchange: StoreExchange, signsPayload: Bool) {
        self.address = address
        self.signer = signer
        self.exchange = exchange
        self.signsPayload = signsPayload
    }

    /// The hash that stands for a body in a signature.
    func payloadHash(_ body: [UInt8]) -> String {
        signsPayload ? SignatureV4.sha256(body) : SignatureV4.unsignedPayload
    }

    /// A signed request, as it has to be sent within a quarter of an hour.
    func signed(_ request: HTTPRequest, payloadHash: String? = nil) -> HTTPRequest {
        signer.sign(request, payloadHash: payloadHash ?? self.payloadHash(request.body ?? []), at: Date())
    }

    // MARK: Objects

    /// Stores a whole object. `onSent` hears of the bytes as they leave.
    func put(
        _ key: String, _ bytes: [UInt8], _ isCancelled: @escaping Cancellation,
        onSent: (@Sendable (Int) -> Void)? = nil
    ) throws(TransferError) -> Outcome<ETag?> {
        let md5 = ETag.md5(bytes)
        let hash = payloadHash(bytes)
        var request = HTTPRequest("PUT", address.object(key), headers: S3Client.objectHeaders, body: bytes)
        request.headers.append(("Content-MD5", Data(md5).base64EncodedString()))
        request.onSent = onSent
        return try exchange.perform(isCancelled: isCancelled, { signed(request, payloadHash: hash) }) {
            (response) throws(StorageFailure) in
            try S3Client.expectSuccess(response)
            let etag = ETag(response.head)
            if let etag, etag.contradicts(md5: md5) { throw StorageFailure(wrongChecksum: "the object") }
            return etag
        }
    }

    /// Size and tag of an object, `nil` where there is none.
    func head(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<StoredObject?> {
        try perform("HEAD", address.object(key), isCancelled) { (response) throws(StorageFailure) in
            if response.head.status == 404 { return nil }
            try S3Client.expectSuccess(response)
            guard let bytes = response.head["Content-Length"].flatMap({ Int64($0) }) else {
                throw StorageFailure(strange: response)
            }
            return StoredObject(key: key, bytes: bytes, etag: ETag(response.head)?.raw)
        }
    }

    /// The bytes of a small object.
    func get(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<[UInt8]> {
        try perform("GET", address.object(key), isCancelled) { (response) throws(StorageFailure) in
            try S3Client.expectSuccess(response)
            return response.body
        }
    }

    /// Deletes an object, if it is there.
    func delete(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<Void> {
        try perform("DELETE", address.object(key), isCancelled) { (response) throws(StorageFailure) in
            if response.head.status != 404 || StorageFailure(s3: response).reason == "NoSuchBucket" {
                try S3Client.expectSuccess(response)
            }
        }
    }

    /// The keys that begin with a prefix, as many as the store tells at once.
    func list(
        prefix: String, _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<[String]> {
        let query = [("list-type", "2"), ("prefix", prefix)]
        return try perform("GET", address.bucket(query), isCancelled) { (response) throws(StorageFailure) in
            try S3Client.document("ListBucketResult", response).all("Contents").compactMap { $0["Key"] }
        }
    }

    // MARK: The bucket

    /// Whether the bucket is there; `nil` where the store doesn't say, since these keys may not ask.
    func hasBucket(_ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<Bool?> {
        try perform("HEAD", address.bucket(), isCancelled) { (response) throws(StorageFailure) in
            if response.head.status == 404 { return false }
            // The body that would tell a wrong key from a missing right is left out of a HEAD.
            if response.head.status == 403 { return nil }
            try S3Client.expectSuccess(response)
            return true
        }
    }

    /// Creates the bucket. One that is ours already is fine.
    ///
    /// - Parameter location: the region, where the store wants to be told.
    func createBucket(
        isPublic: Bool, location: String?, _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<Void> {
        var request = HTTPRequest("PUT", address.bucket())
        if isPublic { request.headers.append(("x-amz-acl", "public-read")) }
        if let location {
            let text = "<LocationConstraint>\(location)</LocationConstraint>"
            request.body = Array("<CreateBucketConfiguration>\(text)</CreateBucketConfiguration>".utf8)
            request.headers.append(("Content-Type", "application/xml"))
        } else {
            request.body = []
        }
        return try exchange.perform(isCancelled: isCancelled, { signed(request) }) {
            (response) throws(StorageFailure) in
            if response.head.status == 409 {
                let reason = StorageFailure(s3: response).reason
                if reason.hasPrefix("BucketAlready") { return }
            }
            try S3Client.expectSuccess(response)
        }
    }

    /// Lets anyone read the bucket's objects.
    func publish(bucket: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<Void> {
        let statement =
            #"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::\#(bucket)/*"}"#
        let policy = #"{"Version":"2012-10-17","Statement":[\#(statement)]}"#
        let request = HTTPRequest(
            "PUT", address.bucket([("policy", "")]), headers: [("Content-Type", "application/json")],
            body: Array(policy.utf8))
        return try exchange.perform(isCancelled: isCancelled, { signed(request) }) {
            (response) throws(StorageFailure) in
            try S3Client.expectSuccess(response)
        }
    }

    // MARK: Answers

    func perform<Value>(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
        _ isCancelled: @escaping Cancellation, read: (HTTPResponse) throws(StorageFailure) -> Value
    ) throws(TransferError) -> Outcome<Value> {
        var request = HTTPRequest(method, url, headers: headers, body: body)
        // A page of a listing has a thousand keys of up to 1 KiB each.
        request.maximumResponseBytes = 8 << 20
        return try exchange.perform(isCancelled: isCancelled, { signed(request) }, read: read)
    }

    /// Throws what an answer's status refuses; `document` finds an error inside of a 200.
    static func expectSuccess(_ response: HTTPResponse) throws(StorageFailure) {
        guard (200..<300).contains(response.head.status) else { throw StorageFailure(s3: response) }
    }

    /// The document of an answer; S3 may send an `Error` inside a 200, and a portal its page.
    static func document(_ name: String, _ response: HTTPResponse) throws(StorageFailure) -> XMLElement {
        try expectSuccess(response)
        guard let root = XMLElement.root(of: response.body) else { throw StorageFailure(strange: response) }
        if root.name == "Error" { throw StorageFailure(s3: response) }
        guard root.name == name else { throw StorageFailure(strange: response) }
        return root
    }
}
