/// The finished file as its own bytes describe it: what the report says of the output is read back, not assumed.
struct WrittenFile {
    let violations: [Report.Violation]
    let output: Report.Output

    init(_ sealed: FaststartSink.Sealed, _ plan: Plan) throws {
        let source = HeadSource(sealed.head, length: sealed.fileBytes)
        guard let layout = try FileLayout.scan(source, through: .end), let movie = layout.moov.flatMap({ Movie($0) }),
            let track = movie.tracks(of: "vide").first
        else { throw MediaError(.internal, "the finished file's own index can't be read") }
        violations = Conformance.check(
            layout: layout, movie: movie, fileBytes: sealed.fileBytes, profile: plan.profile,
            copiedVideo: plan.copiesVideo, copiedAudio: plan.copiesAudio)
        let sound = movie.tracks(of: "soun").first
        let isTurned = track.rotation.map { $0 % 180 != 0 } ?? false
        let (width, height) = (track.description.width, track.description.height)
        func bitrate(_ track: Track) -> Int {
            track.seconds > 0 ? Int(Double(track.samples.totalBytes) * 8 / track.seconds) : 0
        }
        output = Report.Output(
            location: "", bytes: sealed.fileBytes, sha256: nil, durationSeconds: track.seconds,
            width: isTurned ? height : width, height: isTurned ? width : height,
            frameRate: track.seconds > 0 ? Double(track.samples.count) / track.seconds : 0,
            videoBitrate: bitrate(track), audioBitrate: sound.map(bitrate) ?? 0)
    }
}

/// The head of a finished file, whose body has already left.
private final class HeadSource: ByteSource {
    let name = "the finished file"
    let length: Int64?
    let isSeekable = true
    private let head: [UInt8]

    init(_ head: [UInt8], length: Int64) {
        self.head = head
        self.length = length
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        guard offset >= 0, offset < Int64(head.count) else { return 0 }
        let start = Int(offset)
        let count = min(buffer.byteCount, head.count - start)
        buffer.withUnsafeMutableBytes { $0.copyBytes(from: head[start..<(start + count)]) }
        return count
    }
}
