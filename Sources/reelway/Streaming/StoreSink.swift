import Media
import Transfer

/// An upload as the engine's sink.
final class StoreSink: ByteSink {
    private let upload: any ObjectUpload
    private let confirm: () throws -> Void

    /// `confirm` is asked right before the object becomes visible, and throws where it mustn't any more.
    init(_ upload: any ObjectUpload, confirm: @escaping () throws -> Void = {}) {
        self.upload = upload
        self.confirm = confirm
    }

    var location: String { upload.location }
    var measures: UploadMeasures { upload.measures }
    /// The head is an object's first part, and the boxes in front of the media come on top.
    var mediaInHead: Int { PartLayout.smallestPart }

    func write(_ bytes: [UInt8], headLength: Int) throws { try upload.write(bytes, headLength: headLength) }

    func expect(bytesToCome: Int64) { upload.expect(bytesToCome: bytesToCome) }

    func finish(head: [UInt8]) throws {
        try confirm()
        try upload.finish(head: head)
    }

    func sha256() throws -> String? { try upload.sha256() }

    func abort() { upload.abort() }
}
