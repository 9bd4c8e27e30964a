internal import Crypto
internal import Foundation

/// A store's tag of an object or a part. Most stores give the MD5 of a part's bytes, which proves that it arrived.
struct ETag: Equatable {
    /// Exactly as the store wrote it; that is how it has to be given back.
    let raw: String
    /// Whether the store encrypts such that the tag, though it looks like one, isn't an MD5.
    private let isOpaque: Bool

    init(_ raw: String, isOpaque: Bool = false) {
        self.raw = raw
        self.isOpaque = isOpaque
    }

    /// The tag of an answer, `nil` where it has none. Under a KMS or customer's key it says nothing about the bytes.
    init?(_ head: HTTPHead) {
        guard let raw = head["ETag"], !raw.isEmpty else { return nil }
        let encryption = head["x-amz-server-side-encryption"] ?? ""
        let customerKey = head["x-amz-server-side-encryption-customer-algorithm"]
        self.init(raw, isOpaque: encryption.hasPrefix("aws:kms") || customerKey != nil)
    }

    /// Whether it looks like an MD5 and is another than this one.
    func contradicts(md5: [UInt8]) -> Bool {
        isOfOnePiece && bare != Hexadecimal.string(md5)
    }

    /// Whether it is this MD5.
    func proves(md5: [UInt8]) -> Bool { !isOpaque && bare == Hexadecimal.string(md5) }

    /// Whether it has the shape of the tag of a multipart object, the MD5 of the parts' MD5s and their number, and
    /// isn't that of these parts.
    func contradicts(parts md5s: [[UInt8]]) -> Bool {
        let halves = bare.split(separator: "-")
        guard !isOpaque, halves.count == 2, ETag.isHexadecimal(String(halves[0]), count: 32) else { return false }
        return !proves(parts: md5s)
    }

    /// Whether it is the tag of a multipart object of these parts.
    func proves(parts md5s: [[UInt8]]) -> Bool {
        !isOpaque && bare == "\(Hexadecimal.string(ETag.md5(md5s.flatMap { $0 })))-\(md5s.count)"
    }

    /// Whether it has the shape of the tag of an object that came in one request.
    var isOfOnePiece: Bool { !isOpaque && ETag.isHexadecimal(bare, count: 32) }

    /// MD5 of bytes.
    static func md5(_ bytes: [UInt8]) -> [UInt8] { Array(Insecure.MD5.hash(data: bytes)) }

    /// Without quotes and in lower case, to compare.
    private var bare: String {
        raw.lowercased().trimmingCharacters(in: CharacterSet(charactersIn: "\" "))
    }

    private static func isHexadecimal(_ text: String, count: Int) -> Bool {
        text.utf8.count == count && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }
}
