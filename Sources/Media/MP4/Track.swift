/// One track of a movie. ISO/IEC 14496-12, section 8.3; a part that is missing or damaged leaves its zero.
struct Track: Sendable {
    /// One entry of an edit list: a stretch of the movie timeline and what it shows. ISO/IEC 14496-12, 8.6.6.
    struct Edit: Sendable, Equatable {
        /// In movie ticks; 0 in the last edit of a fragmented file means the rest.
        var segmentDuration: UInt64
        /// Where it begins, in ticks of the media; -1 shows nothing.
        var mediaTime: Int64
        /// 1 plays, 0 holds still.
        var rate: Double
    }

    var id: UInt32 = 0
    /// `vide`, `soun`, `text`, `meta`, `tmcd` …
    var handler = ""
    /// Ticks per second of the media.
    var timescale: UInt32 = 0
    /// By `mdhd`, in media ticks; 0 where unknown.
    var mediaDuration: UInt64 = 0
    /// By `tkhd`, in ticks of the movie; 0 where unknown.
    var movieDuration: UInt64 = 0
    /// By `tkhd`, in file order: a b u c d v x y w, fixed point 16.16 and for u, v, w 2.30. Empty where unreadable.
    var matrix: [Int32] = []
    /// By `tkhd`, in pixels, before the matrix.
    var width = 0.0
    var height = 0.0
    /// There is an `edts`, though perhaps an empty or unreadable one.
    var hasEditList = false
    var edits: [Edit] = []
    /// The first of the sample descriptions, which in nearly every file is the only one.
    var description = SampleDescription()
    /// How many sample descriptions there are.
    var descriptionCount = 0
    var samples = SampleTable()

    /// Edits read at most.
    static let maximumEditCount = 10_000

    /// Reads the payload of `trak`.
    init(_ trak: ArraySlice<UInt8>) {
        for box in BoxReader(trak) {
            switch box.type {
            case "tkhd": readHeader(box.payload)
            case "edts": readEdits(box.payload)
            case "mdia": readMedia(box.payload)
            default: break
            }
        }
    }

    /// Seconds by `mdhd`; 0 where unknown.
    var seconds: Double { timescale > 0 ? Double(mediaDuration) / Double(timescale) : 0 }

    /// Clockwise degrees by which the matrix turns the picture: 0, 90, 180 or 270; `nil` where it does anything
    /// besides (scales, mirrors, shears). Where the turned picture is moved to does not matter.
    var rotation: Int? {
        guard matrix.count == 9, matrix[2] == 0, matrix[5] == 0, matrix[8] == 1 << 30 else { return nil }
        let one: Int32 = 1 << 16
        switch (matrix[0], matrix[1], matrix[3], matrix[4]) {
        case (one, 0, 0, one): return 0
        case (0, one, -one, 0): return 90
        case (-one, 0, 0, -one): return 180
        case (0, -one, one, 0): return 270
        default: return nil
        }
    }

    /// Whether the matrix leaves the picture as and where it is.
    var hasIdentityMatrix: Bool { rotation == 0 && matrix[6] == 0 && matrix[7] == 0 }

    private mutating func readHeader(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard let version = reader.u8(), reader.skip(version == 1 ? 19 : 11), let id = reader.u32() else { return }
        self.id = id
        guard reader.skip(4), let duration = reader.duration(version: version) else { return }
        movieDuration = duration
        // Reserved, layer, alternate group, volume, reserved.
        guard reader.skip(16) else { return }
        var matrix: [Int32] = []
        for _ in 0..<9 {
            guard let element = reader.i32() else { return }
            matrix.append(element)
        }
        self.matrix = matrix
        guard let width = reader.u32(), let height = reader.u32() else { return }
        self.width = Double(width) / 65536
        self.height = Double(height) / 65536
    }

    private mutating func readEdits(_ payload: ArraySlice<UInt8>) {
        hasEditList = true
        guard let list = BoxReader.first("elst", in: payload) else { return }
        var reader = ByteReader(list)
        guard let version = reader.u8(), reader.skip(3), let claimed = reader.u32() else { return }
        for _ in 0..<min(Int(claimed), Self.maximumEditCount) {
            let duration = version == 1 ? reader.u64() : reader.u32().map(UInt64.init)
            let time = version == 1 ? reader.i64() : reader.i32().map(Int64.init)
            guard let duration, let time, let rate = reader.i32() else { return }
            edits.append(Edit(segmentDuration: duration, mediaTime: time, rate: Double(rate) / 65536))
        }
    }

    private mutating func readMedia(_ payload: ArraySlice<UInt8>) {
        for box in BoxReader(payload) {
            var reader = ByteReader(box.payload)
            switch box.type {
            case "mdhd":
                guard let header = TimeHeader(&reader) else { continue }
                timescale = header.timescale
                mediaDuration = header.duration
            case "hdlr":
                guard reader.skip(8), let type = reader.fourCC() else { continue }
                handler = type
            default:
                break
            }
        }
        guard let table = BoxReader.first(["minf", "stbl"], in: payload) else { return }
        samples = SampleTable(table)
        if let descriptions = BoxReader.first("stsd", in: table) {
            (description, descriptionCount) = SampleDescription.read(descriptions, handler: handler)
        }
    }
}

extension Track {
    /// The four-character code of the sample description as stored: `avc1`, `mp4a`, `encv` …
    var sampleEntry: String { description.type }
    var isEncrypted: Bool { description.isEncrypted }
    /// Size of the picture by the sample description, in pixels.
    var sampleEntryWidth: Int { description.width }
    var sampleEntryHeight: Int { description.height }
    /// The payload of `avcC`.
    var avcC: [UInt8]? { description.avcC }
    /// The decoder specific information of `esds`, which may lie in QuickTime's `wave`.
    var audioSpecificConfig: [UInt8]? { description.audioSpecificConfig }
    var channelCount: Int { description.channelCount }
    /// Hertz.
    var sampleRate: Double { description.sampleRate }
    /// `pasp`.
    var pixelAspect: Rational? { description.pixelAspect }
    /// `colr`.
    var colour: SampleDescription.Colour? { description.colour }
}
