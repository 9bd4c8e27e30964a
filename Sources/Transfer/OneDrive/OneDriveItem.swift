internal import FoundationEssentials

/// A file on OneDrive, as Graph describes it.
public struct OneDriveItem: Sendable, Equatable {
    /// The item's id.
    public var id: String
    /// The drive it lies in; `nil`: that of the account.
    public var drive: String?
    /// Its file name.
    public var name: String
    /// In bytes.
    public var size: Int64
    /// Changes with content and properties.
    public var eTag: String?
    /// Changes with the content only.
    public var cTag: String?
    /// In base64; not every item has one.
    public var quickXorHash: String?
    /// Where its bytes are, for a while; a secret. `nil` where Graph leaves it out.
    var downloadURL: String?

    /// Tells this version of the content from every other: for the name of what is made of it.
    public var identity: String { cTag ?? quickXorHash ?? eTag ?? "\(id)-\(size)" }

    /// Reads Graph's JSON; throws where it's no file or can't be used.
    init(json: [UInt8], drive: String?) throws(TransferError) {
        let answer: Answer
        do {
            answer = try JSONDecoder().decode(Answer.self, from: Data(json))
        } catch {
            throw TransferError(.sourceUnavailable, "OneDrive's description of the item can't be read; try again")
        }
        id = answer.id
        // Names stand in messages and logs: one line, whatever they hold.
        name = String((answer.name ?? answer.id).filter { !$0.isNewline && $0 >= " " })
        self.drive = drive
        guard answer.folder == nil, answer.package == nil else {
            throw TransferError(.inputNotFound, "\(name) on OneDrive is a folder; give the id of a video")
        }
        guard answer.malware == nil else {
            throw TransferError(.sourceForbidden, "OneDrive found malware in \(name); replace the file")
        }
        guard let size = answer.size, size >= 0 else {
            throw TransferError(.sourceUnavailable, "OneDrive doesn't tell the size of \(name); try again")
        }
        self.size = size
        eTag = answer.eTag
        cTag = answer.cTag
        quickXorHash = answer.file?.hashes?.quickXorHash
        downloadURL = answer.downloadURL
    }

    private struct Answer: Decodable {
        struct File: Decodable {
            var hashes: Hashes?
        }
        struct Hashes: Decodable {
            var quickXorHash: String?
        }
        struct Facet: Decodable {}
        var id: String
        var name: String?
        var size: Int64?
        var eTag: String?
        var cTag: String?
        var file: File?
        var folder: Facet?
        var package: Facet?
        var malware: Facet?
        var downloadURL: String?

        enum CodingKeys: String, CodingKey {
            case id, name, size, eTag, cTag, file, folder, package, malware
            case downloadURL = "@microsoft.graph.downloadUrl"
        }
    }
}
