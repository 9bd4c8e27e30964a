internal import Foundation

/// What a store's refusal means: a code of the contract, a sentence with the mend, and whether another try may help.
///
/// Pure: `(status, code) → failure`. S3 stores say the code in XML, Supabase in JSON whose own status counts.
struct StorageFailure: Error, Equatable {
    /// `storage_auth`, `storage_rejected` or `storage_unavailable`.
    var code: TransferError.Code
    /// What happened and what to do, as the rest of a sentence that begins with the store's name.
    var message: String
    /// Whether the same request may succeed later.
    var isTransient: Bool
    /// Whether the request may have taken effect although it failed: no answer came, or one of a fault inside.
    var isUncertain = false
    /// The status that counts; 0 where no answer came.
    var status: Int
    /// The store's own word, such as `NoSuchBucket`; empty where it gave none.
    var reason: String
    /// How long the store asked to be left alone, in seconds.
    var retryAfter: Double?

    /// As the retry policy sees it; `nil` where another try can't help. What passes is a 503 to it, whatever the status:
    /// S3 tells such things with 400 and 200 too.
    var fault: RetryPolicy.Fault? { isTransient ? .status(503, retryAfter: retryAfter) : nil }

    init(status: Int, reason: String) {
        let reason = StorageFailure.safe(reason)
        self.status = status
        self.reason = reason
        let said = reason.isEmpty ? "\(status)" : "\(status) \(reason)"
        if let mend = StorageFailure.credentialMends[reason] {
            (code, message, isTransient) = (.storageAuth, "refuses the credentials (\(said)): \(mend)", false)
        } else if StorageFailure.transientReasons.contains(reason) || [408, 423, 425, 429].contains(status)
            || (status == 409 && reason.isEmpty) || (status >= 500 && ![501, 505, 507].contains(status))
        {
            // By TUS, 423 tells of a lock that an earlier request of ours still has, and 409 of another offset than ours.
            (code, message, isTransient) = (.storageUnavailable, "does not serve now (\(said)); try again", true)
            isUncertain = status >= 500 || status == 408 || status == 200
        } else if status == 401 || status == 403 {
            let mend = "the key may not do this: give it the right to read, write and delete in the bucket"
            (code, message, isTransient) = (.storageAuth, "refuses access (\(said)): \(mend)", false)
        } else if status == 413 || StorageFailure.sizeReasons.contains(reason) {
            let mend = "raise the size limit of the bucket and of the store"
            (code, message, isTransient) = (.storageRejected, "finds the file too large (\(said)): \(mend)", false)
        } else if status == 415 || reason == "invalid_mime_type" || reason == "InvalidMimeType" {
            let mend = "let the bucket take video/mp4"
            (code, message, isTransient) = (.storageRejected, "refuses the type of the file (\(said)): \(mend)", false)
        } else if status == 507 || reason == "QuotaExceeded" || reason == "StorageFull" {
            (code, message, isTransient) = (.storageRejected, "is full (\(said)): make room", false)
        } else if (300..<400).contains(status) {
            let mend = "set S3_ENDPOINT and S3_REGION to where the bucket is"
            (code, message, isTransient) = (.storageRejected, "sends elsewhere (\(said)): \(mend)", false)
        } else if StorageFailure.lossReasons.contains(reason) {
            (code, message, isTransient) = (.storageUnavailable, "has lost the upload (\(said)); try again", false)
        } else if reason == "NoSuchBucket" {
            let mend = "create it, or set STORAGE_BUCKET to one that is there"
            (code, message, isTransient) = (.storageRejected, "has no such bucket (\(said)): \(mend)", false)
        } else {
            let mend = "check S3_ENDPOINT, STORAGE_BUCKET and the name of the object"
            (code, message, isTransient) = (.storageRejected, "refuses the request (\(said)): \(mend)", false)
        }
    }

    /// From an exchange that got no whole answer.
    init(transport error: TransferError) {
        status = 0
        reason = ""
        retryAfter = error.retryAfter
        if error.code == .sourceForbidden {
            (code, message, isTransient) = (.storageRejected, "is not allowed: \(error.message)", false)
        } else {
            (code, message, isTransient) = (.storageUnavailable, "does not answer: \(error.message)", !error.isHopeless)
            isUncertain = true
        }
    }

    /// From an answer that isn't one of such a store: a gateway's or portal's page.
    init(strange response: HTTPResponse) {
        let status = response.head.status
        self.init(
            untrue: "answers \(status) with something that is no store's answer; check the endpoint, or try again",
            status: status)
    }

    /// From a checksum that isn't the sent bytes'.
    init(wrongChecksum what: String) {
        self.init(
            untrue: "confirms other bytes than were sent for \(what); try again", reason: StorageFailure.wrongChecksum)
    }

    /// From an upload that has all its bytes while there is no object of them.
    init(unfinished: Void) {
        self.init(
            untrue: "took all bytes and made no object of them; try again", reason: StorageFailure.unfinished)
    }

    /// From an answer that can't be true.
    private init(untrue message: String, status: Int = 200, reason: String = "") {
        (code, self.message, self.status, self.reason) = (.storageUnavailable, message, status, reason)
        (isTransient, isUncertain) = (true, true)
    }

    /// Whether it is `init(unfinished:)`'s.
    var isUnfinished: Bool { reason == StorageFailure.unfinished }

    /// From an S3 store's answer, whose body says why; the body of a `HEAD` says nothing.
    init(s3 response: HTTPResponse) {
        self.init(
            status: response.head.status, reason: StorageFailure.s3Reason(in: response.body) ?? "")
        retryAfter = RetryPolicy.retryAfter(response.head["Retry-After"], now: Int64(Date().timeIntervalSince1970))
    }

    /// From an answer of Supabase's REST and TUS routes: nearly every refusal is HTTP 400, and the status that counts
    /// is text in its JSON.
    init(supabase response: HTTPResponse) {
        let (status, reason) = StorageFailure.supabaseStatus(of: response)
        self.init(status: status, reason: reason)
        retryAfter = RetryPolicy.retryAfter(response.head["Retry-After"], now: Int64(Date().timeIntervalSince1970))
    }

    /// The code of an `Error` document, wherever it comes: S3 sends one inside a `200` too, when completing fails
    /// after the head of the answer has left.
    static func s3Reason(in body: [UInt8]) -> String? {
        guard let root = XMLElement.root(of: body) else { return nil }
        return root.name == "Error" ? root["Code"] ?? "" : nil
    }

    /// The status and the reason that Supabase means by an answer.
    static func supabaseStatus(of response: HTTPResponse) -> (status: Int, reason: String) {
        guard let said = SupabaseRefusal(response.body) else { return (response.head.status, "") }
        let status = said.statusCode.flatMap { $0 >= 400 ? $0 : nil } ?? response.head.status
        return (status, said.code ?? said.error ?? "")
    }

    /// The error to end with.
    func error(_ store: String) -> TransferError {
        TransferError(code, "\(store) \(message)", retryAfter: retryAfter)
    }

    /// The reason of a checksum that isn't the sent bytes'.
    static let wrongChecksum = "wrong_checksum"
    private static let unfinished = "unfinished"

    /// A store's word is only repeated if it can't be anything but a word.
    private static func safe(_ reason: String) -> String {
        let allowed = reason.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_")
        }
        return allowed && reason.utf8.count <= 64 ? reason : ""
    }

    private static let credentialMends = [
        "SignatureDoesNotMatch": "check S3_SECRET_ACCESS_KEY and S3_REGION",
        "InvalidAccessKeyId": "check S3_ACCESS_KEY_ID",
        "RequestTimeTooSkewed": "set this machine's clock",
        "ExpiredToken": "the session token has expired, check SUPABASE_SERVICE_ROLE_KEY",
        "InvalidToken": "the session token is not valid, check SUPABASE_SERVICE_ROLE_KEY",
        "InvalidJWT": "check SUPABASE_SERVICE_ROLE_KEY",
        "Unauthorized": "check SUPABASE_SERVICE_ROLE_KEY",
        "AuthorizationHeaderMalformed": "check S3_REGION",
        "InvalidSecurity": "check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
        "NotSignedUp": "check S3_ACCESS_KEY_ID",
        "AccountProblem": "the account of this key is blocked",
        "AllAccessDisabled": "the account of this key is blocked",
    ]

    /// Reasons that pass, whatever the status: S3 sends the first two with 400.
    private static let transientReasons: Set<String> = [
        "RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "InternalError", "SlowDown",
        "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "Busy", "OperationAborted",
        "ConditionalRequestConflict", "RequestTimeoutException", "DatabaseTimeout", "ResourceLocked",
    ]

    /// Reasons for which the same upload can't become an object, while another can.
    private static let lossReasons: Set<String> = ["NoSuchUpload", "InvalidPart", "MissingPart", "TransactionError"]

    private static let sizeReasons: Set<String> = ["EntityTooLarge", "MaxMessageLengthExceeded"]
}
