import Foundation
import Testing

@testable import Transfer

/// The signature against vectors that others published.
struct SignatureV4Tests {
    /// A request, and the signature that its source gives for it.
    struct Vector: CustomTestStringConvertible {
        let name: String
        let request: HTTPRequest
        var payloadHash = SignatureV4.sha256([])
        let signedHeaders: String
        let signature: String
        var testDescription: String { name }
    }

    /// "Signature Calculations for the Authorization Header", Amazon S3 API reference.
    static let s3Examples = [
        Vector(
            name: "GET Object",
            request: HTTPRequest(
                "GET", "https://examplebucket.s3.amazonaws.com/test.txt",
                headers: [
                    ("Range", "bytes=0-9"), ("x-amz-content-sha256", SignatureV4.sha256([])),
                    ("x-amz-date", "20130524T000000Z"),
                ]),
            signedHeaders: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Vector(
            name: "PUT Object",
            request: HTTPRequest(
                "PUT", "https://examplebucket.s3.amazonaws.com/test%24file.text",
                headers: [
                    ("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-date", "20130524T000000Z"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    ("x-amz-content-sha256", SignatureV4.sha256(Array("Welcome to Amazon S3.".utf8))),
                ]),
            payloadHash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            signedHeaders: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Vector(
            name: "GET Bucket Lifecycle, a query without a value",
            request: HTTPRequest(
                "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle",
                headers: [
                    ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", SignatureV4.sha256([])),
                ]),
            signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Vector(
            name: "GET Bucket, a query to sort",
            request: HTTPRequest(
                "GET", "https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2",
                headers: [
                    ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", SignatureV4.sha256([])),
                ]),
            signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test(arguments: s3Examples)
    func `signs Amazon's S3 examples as Amazon does`(vector: Vector) {
        let signer = SignatureV4(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1")
        let value = signer.authorization(
            for: vector.request, payloadHash: vector.payloadHash, at: Date(timeIntervalSince1970: 1_369_353_600))
        #expect(
            value == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                + "SignedHeaders=\(vector.signedHeaders), Signature=\(vector.signature)")
    }

    /// Amazon's Signature Version 4 test suite, the cases whose paths S3 signs like other services.
    static let suite = [
        Vector(
            name: "get-vanilla", request: request("GET", "/"), signedHeaders: "host;x-amz-date",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Vector(
            name: "get-vanilla-query-order-key-case", request: request("GET", "/?Param2=value2&Param1=value1"),
            signedHeaders: "host;x-amz-date",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Vector(
            name: "get-unreserved",
            request: request("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
            signedHeaders: "host;x-amz-date",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        Vector(
            name: "get-header-key-duplicate",
            request: request(
                "GET", "/", [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")]),
            signedHeaders: "host;my-header1;x-amz-date",
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
        Vector(
            name: "get-header-value-trim",
            request: request("GET", "/", [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")]),
            signedHeaders: "host;my-header1;my-header2;x-amz-date",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        Vector(
            name: "post-vanilla", request: request("POST", "/"), signedHeaders: "host;x-amz-date",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Vector(
            name: "post-x-www-form-urlencoded",
            request: request("POST", "/", [("Content-Type", "application/x-www-form-urlencoded")]),
            payloadHash: SignatureV4.sha256(Array("Param1=value1".utf8)),
            signedHeaders: "content-type;host;x-amz-date",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        Vector(
            name: "post-sts-header-before",
            request: request(
                "POST", "/",
                [
                    (
                        "X-Amz-Security-Token",
                        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicR"
                            + "XmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsbu"
                            + "rEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPP"
                            + "kUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
                    )
                ]),
            signedHeaders: "host;x-amz-date;x-amz-security-token",
            signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    ]

    private static func request(
        _ method: String, _ path: String, _ headers: [(name: String, value: String)] = []
    ) -> HTTPRequest {
        HTTPRequest(
            method, "https://example.amazonaws.com\(path)", headers: headers + [("X-Amz-Date", "20150830T123600Z")])
    }

    @Test(arguments: suite)
    func `signs Amazon's test suite as Amazon does`(vector: Vector) {
        let signer = SignatureV4(
            accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "us-east-1",
            service: "service")
        let value = signer.authorization(
            for: vector.request, payloadHash: vector.payloadHash, at: Date(timeIntervalSince1970: 1_440_938_160))
        #expect(
            value == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=\(vector.signedHeaders), Signature=\(vector.signature)")
    }

    /// What this program sends, computed once by botocore 1.43's `S3SigV4Auth`.
    static let botocore = [
        Vector(
            name: "UploadPart with a session token",
            request: HTTPRequest(
                "PUT", "\(bucket)/1f/a%20b%2Bc.mp4?partNumber=2&uploadId=ab%3D%3D",
                headers: [("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")]),
            payloadHash: SignatureV4.unsignedPayload,
            signedHeaders: "content-md5;host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            signature: "0fc16023c701d2a937c25dff4875232c77c968b6bf1adb912527e8947402a0e9"),
        Vector(
            name: "CreateMultipartUpload",
            request: HTTPRequest(
                "POST", "\(bucket)/1f/a%20b%2Bc.mp4?uploads=",
                headers: [
                    ("Content-Type", "video/mp4"), ("Cache-Control", "public, max-age=31536000, immutable"),
                ]),
            signedHeaders: "cache-control;content-type;host;x-amz-content-sha256;x-amz-date",
            signature: "ed0b8734bee76a77f3cd31d4d97ca32b9e1856141487c4fb4a8809c13dc08e66"),
        Vector(
            name: "ListObjectsV2",
            request: HTTPRequest("GET", "\(bucket)?prefix=a%2Fb&list-type=2&continuation-token=x%3D"),
            signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "d785edd43358f2c7bb4b809273d75513827d01d055eb3655c5378b410d0ae15d"),
    ]
    private static let bucket = "https://abc.storage.supabase.co/storage/v1/s3/transcoded-videos"

    @Test(arguments: botocore)
    func `signs what the program sends as botocore does`(vector: Vector) {
        let signer = SignatureV4(
            accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            sessionToken: vector.signedHeaders.contains("token") ? "token.of.session" : nil, region: "eu-central-1")
        let signed = signer.sign(
            vector.request, payloadHash: vector.payloadHash, at: Date(timeIntervalSince1970: 1_767_323_045))
        let value = signed.headers.first { $0.name == "Authorization" }?.value
        #expect(
            value == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-central-1/s3/aws4_request, "
                + "SignedHeaders=\(vector.signedHeaders), Signature=\(vector.signature)")
    }
}
