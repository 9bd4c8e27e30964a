/// An MP4 that can't seek and whose media may run to the end of the file: a size of 0 (ISO/IEC 14496-12, section 4.2).
///
/// libavformat would look for another box behind it, and takes it for damage that there is none. So such media is
/// passed on with the size that its samples need.
final class OpenMediaPipe: ByteSource {
    private let source: any ByteSource
    private var position: Int64 = 0
    /// Where the next box begins; `nil` behind the header of the media.
    private var nextBox: Int64?
    /// Where the last of the listed samples ends.
    private let mediaEnd: Int64
    private var isOpen = false
    private var header: ArraySlice<UInt8> = []

    /// - Parameter layout: the boxes up to and with `moov`.
    init(_ source: any ByteSource, _ layout: FileLayout, _ movie: Movie) {
        self.source = source
        nextBox = layout.boxes.last?.end
        mediaEnd = movie.tracks.compactMap(\.samples.maximumEnd).max() ?? 0
    }

    var name: String { source.name }
    var length: Int64? { source.length }
    let isSeekable = false
    var seekRefusal: any Error { source.seekRefusal }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        if header.isEmpty, position == nextBox { try takeHeader() }
        if !header.isEmpty {
            let count = min(buffer.byteCount, header.count)
            buffer.withUnsafeMutableBytes { $0.copyBytes(from: header.prefix(count)) }
            header = header.dropFirst(count)
            return count
        }
        let most = Int(clamping: min(nextBox.map { $0 - position } ?? .max, Int64(buffer.byteCount)))
        let count = try buffer.withUnsafeMutableBytes { bytes in
            var part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<most]).mutableBytes
            return try source.read(into: &part, at: position)
        }
        position += Int64(count)
        if count == 0, isOpen, position < mediaEnd {
            throw MediaError(
                .sourceTruncated,
                "\(name) has \(position) bytes but its index needs \(mediaEnd); fetch or export it again")
        }
        return count
    }

    private func takeHeader() throws {
        let start = position
        nextBox = nil
        header = []
        try take(8)
        if header.starts(with: [0, 0, 0, 1]) { try take(8) }
        guard let box = BoxHeader(header) else { return }
        guard box.type == "mdat" else {
            let (end, overflow) = start.addingReportingOverflow(box.size)
            if !overflow, end >= position { nextBox = end }
            return
        }
        if box.size == 0, let size = UInt32(exactly: mediaEnd - start), size > 8 {
            isOpen = true
            header.replaceSubrange(header.startIndex..<(header.startIndex + 4), with: BigEndian.bytes(size))
        }
    }

    private func take(_ count: Int) throws {
        let end = position + Int64(count)
        while position < end {
            let bytes = try source.read(Int(end - position), at: position)
            if bytes.isEmpty { return }
            header += bytes
            position += Int64(bytes.count)
        }
    }
}
