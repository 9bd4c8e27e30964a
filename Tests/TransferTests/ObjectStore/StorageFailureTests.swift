import Testing

@testable import Transfer

struct StorageFailureTests {
    /// An answer's status and reason, and what it means.
    struct Row: CustomTestStringConvertible {
        let status: Int
        let reason: String
        let code: TransferError.Code
        let isTransient: Bool
        /// A word the mend has to have.
        let mend: String
        var testDescription: String { "\(status) \(reason)" }

        init(
            _ status: Int, _ reason: String, _ code: TransferError.Code, transient: Bool = false, _ mend: String
        ) {
            (self.status, self.reason, self.code, isTransient, self.mend) = (status, reason, code, transient, mend)
        }
    }

    static let table = [
        Row(403, "SignatureDoesNotMatch", .storageAuth, "S3_SECRET_ACCESS_KEY"),
        Row(403, "InvalidAccessKeyId", .storageAuth, "S3_ACCESS_KEY_ID"),
        Row(403, "RequestTimeTooSkewed", .storageAuth, "clock"),
        Row(400, "ExpiredToken", .storageAuth, "SUPABASE_SERVICE_ROLE_KEY"),
        Row(400, "InvalidToken", .storageAuth, "SUPABASE_SERVICE_ROLE_KEY"),
        Row(403, "AccessDenied", .storageAuth, "right"),
        Row(403, "", .storageAuth, "right"),
        Row(401, "", .storageAuth, "right"),
        Row(403, "Unauthorized", .storageAuth, "SUPABASE_SERVICE_ROLE_KEY"),
        Row(413, "", .storageRejected, "size limit"),
        Row(400, "EntityTooLarge", .storageRejected, "size limit"),
        Row(413, "Payload too large", .storageRejected, "size limit"),
        Row(415, "", .storageRejected, "video/mp4"),
        Row(415, "invalid_mime_type", .storageRejected, "video/mp4"),
        Row(507, "", .storageRejected, "room"),
        Row(403, "QuotaExceeded", .storageAuth, "right"),
        Row(404, "NoSuchBucket", .storageRejected, "STORAGE_BUCKET"),
        Row(404, "NoSuchUpload", .storageUnavailable, "again"),
        Row(301, "PermanentRedirect", .storageRejected, "S3_REGION"),
        Row(400, "AuthorizationHeaderMalformed", .storageAuth, "S3_REGION"),
        Row(400, "InvalidPart", .storageUnavailable, "again"),
        Row(400, "MissingPart", .storageUnavailable, "again"),
        Row(409, "TransactionError", .storageUnavailable, "again"),
        Row(409, "Duplicate", .storageRejected, "check"),
        Row(409, "", .storageUnavailable, transient: true, "again"),
        Row(423, "", .storageUnavailable, transient: true, "again"),
        Row(400, "", .storageRejected, "check"),
        Row(501, "NotImplemented", .storageRejected, "check"),
        Row(500, "InternalError", .storageUnavailable, transient: true, "again"),
        Row(200, "InternalError", .storageUnavailable, transient: true, "again"),
        Row(502, "", .storageUnavailable, transient: true, "again"),
        Row(503, "SlowDown", .storageUnavailable, transient: true, "again"),
        Row(504, "", .storageUnavailable, transient: true, "again"),
        Row(544, "DatabaseTimeout", .storageUnavailable, transient: true, "again"),
        Row(429, "", .storageUnavailable, transient: true, "again"),
        Row(408, "", .storageUnavailable, transient: true, "again"),
        Row(400, "RequestTimeout", .storageUnavailable, transient: true, "again"),
        Row(400, "IncompleteBody", .storageUnavailable, transient: true, "again"),
        Row(400, "BadDigest", .storageUnavailable, transient: true, "again"),
        Row(409, "OperationAborted", .storageUnavailable, transient: true, "again"),
    ]

    @Test(arguments: table)
    func `each refusal has its code, its mend, and its answer to whether a second try may help`(row: Row) {
        let failure = StorageFailure(status: row.status, reason: row.reason)
        #expect(failure.code == row.code)
        #expect(failure.isTransient == row.isTransient)
        #expect(failure.message.contains(row.mend), "\(failure.message)")
        #expect(failure.message.contains("\(row.status)"))
    }

    @Test func `an S3 store's code is read out of its XML, also inside a 200`() {
        let body = Array("<Error><Code>SlowDown</Code><Message>secret</Message></Error>".utf8)
        let failure = StorageFailure(s3: HTTPResponse(head: HTTPHead(status: 200), body: body))
        #expect(failure.reason == "SlowDown")
        #expect(failure.isTransient)
        #expect(!failure.message.contains("secret"))
    }

    @Test(arguments: [
        (#"{"statusCode":"404","error":"not_found","message":"m","code":"NoSuchKey"}"#, 404, "NoSuchKey"),
        (#"{"statusCode":"413","error":"Payload too large","message":"m"}"#, 413, "Payload too large"),
        (#"{"statusCode":409,"error":"Duplicate","message":"m"}"#, 409, "Duplicate"),
        (#"{"statusCode":"403","error":"Unauthorized","message":"m"}"#, 403, "Unauthorized"),
        (#"{"message":"no status"}"#, 400, ""), (#"<html>Bad Gateway</html>"#, 400, ""), ("", 400, ""),
        (#"{"statusCode":"200"}"#, 400, ""), (#"{"statusCode":null,"error":7}"#, 400, ""),
    ])
    func `Supabase's own status counts, not the 400 it comes in`(body: String, status: Int, reason: String) {
        let said = StorageFailure.supabaseStatus(
            of: HTTPResponse(head: HTTPHead(status: 400), body: Array(body.utf8)))
        #expect(said.status == status)
        #expect(said.reason == reason)
    }

    @Test func `a store's word is repeated only if it is a word`() {
        let failure = StorageFailure(status: 400, reason: "x-amz-security-token: eyJhbGciOi\u{1B}[31m")
        #expect(failure.reason == "")
        #expect(failure.message.contains("(400)"))
    }
}
