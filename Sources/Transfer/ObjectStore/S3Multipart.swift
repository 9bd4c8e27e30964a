internal import Foundation

/// A part whose bytes are in memory until the store has confirmed them.
struct S3Part: Sendable {
    let number: Int
    let bytes: [UInt8]
    let md5: [UInt8]
    let payloadHash: String
}

/// A part that the store has.
struct S3StoredPart: Sendable {
    let etag: ETag
    let md5: [UInt8]
}

/// An upload that a store holds open.
struct S3OpenUpload: Equatable {
    let key: String
    let id: String
}

/// The operations of a multipart upload.
extension S3Client {
    /// Begins an upload and gives its id.
    func createUpload(_ key: String, _ isCancelled: @escaping Cancellation) throws(TransferError) -> Outcome<String> {
        try perform(
            "POST", address.object(key, [("uploads", "")]), headers: S3Client.objectHeaders, body: [], isCancelled
        ) { (response) throws(StorageFailure) in
            let root = try S3Client.document("InitiateMultipartUploadResult", response)
            guard let id = root["UploadId"], !id.isEmpty else { throw StorageFailure(strange: response) }
            return id
        }
    }

    /// The request that sends a part.
    func partRequest(_ key: String, _ uploadID: String, _ part: S3Part) -> HTTPRequest {
        let url = address.object(key, [("partNumber", "\(part.number)"), ("uploadId", uploadID)])
        let md5 = Data(part.md5).base64EncodedString()
        return signed(
            HTTPRequest("PUT", url, headers: [("Content-MD5", md5)], body: part.bytes), payloadHash: part.payloadHash)
    }

    /// What the store says to a part: its tag, unless that shows that other bytes arrived.
    static func readPart(_ part: S3Part, _ response: HTTPResponse) throws(StorageFailure) -> S3StoredPart {
        try expectSuccess(response)
        guard let etag = ETag(response.head) else { throw StorageFailure(strange: response) }
        if etag.contradicts(md5: part.md5) { throw StorageFailure(wrongChecksum: "part \(part.number)") }
        return S3StoredPart(etag: etag, md5: part.md5)
    }

    /// Makes an object of the parts, given ascending: one store takes them in the order of this list.
    func completeUpload(
        _ key: String, _ uploadID: String, _ parts: [(number: Int, part: S3StoredPart)],
        _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<Void> {
        let list = parts.map { number, part in
            "<Part><PartNumber>\(number)</PartNumber><ETag>\(S3Client.escaped(part.etag.raw))</ETag></Part>"
        }
        let body = "<CompleteMultipartUpload>\(list.joined())</CompleteMultipartUpload>"
        // Supabase passes over the list unless it is called XML.
        var request = HTTPRequest(
            "POST", address.object(key, [("uploadId", uploadID)]), headers: [("Content-Type", "application/xml")],
            body: Array(body.utf8))
        // S3 sends blanks while it makes the object.
        request.mayDrip = true
        return try exchange.perform(isCancelled: isCancelled, { signed(request) }) {
            (response) throws(StorageFailure) in
            _ = try S3Client.document("CompleteMultipartUploadResult", response)
        }
    }

    /// Throws an upload away. One that is gone already is fine.
    func abortUpload(
        _ key: String, _ uploadID: String, _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<Void> {
        try perform("DELETE", address.object(key, [("uploadId", uploadID)]), isCancelled) {
            (response) throws(StorageFailure) in
            if response.head.status != 404 { try S3Client.expectSuccess(response) }
        }
    }

    /// Whether an upload is still open.
    func isOpen(
        _ key: String, _ uploadID: String, _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<Bool> {
        try perform("GET", address.object(key, [("max-parts", "1"), ("uploadId", uploadID)]), isCancelled) {
            (response) throws(StorageFailure) in
            if response.head.status == 404 { return false }
            try S3Client.expectSuccess(response)
            return true
        }
    }

    /// All uploads under a prefix that are open.
    func openUploads(
        prefix: String, _ isCancelled: @escaping Cancellation
    ) throws(TransferError) -> Outcome<[S3OpenUpload]> {
        var all: [S3OpenUpload] = []
        var marker: [(String, String)] = []
        while true {
            let query = [("uploads", ""), ("prefix", prefix)] + marker
            let page = try perform("GET", address.bucket(query), isCancelled) { (response) throws(StorageFailure) in
                try S3Client.document("ListMultipartUploadsResult", response)
            }
            let root: XMLElement
            switch page.result {
            case .success(let document): root = document
            case .failure(let failure): return Outcome(result: .failure(failure), wasUncertain: page.wasUncertain)
            }
            all += root.all("Upload").compactMap { upload in
                guard let key = upload["Key"], let id = upload["UploadId"] else { return nil }
                return S3OpenUpload(key: key, id: id)
            }
            let next = [
                ("key-marker", root["NextKeyMarker"] ?? ""), ("upload-id-marker", root["NextUploadIdMarker"] ?? ""),
            ]
            // A page that doesn't lead on would be fetched for ever.
            guard root["IsTruncated"] == "true", !next[0].1.isEmpty,
                !next.elementsEqual(marker, by: { $0 == $1 })
            else { return Outcome(result: .success(all), wasUncertain: false) }
            marker = next
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
