/// What the samples of a track are, by the first entry of its `stsd`. ISO/IEC 14496-12, section 8.5.2 and 12.1 to
/// 12.2; QuickTime File Format, "Sound Sample Description" for the larger sound entries.
struct SampleDescription: Sendable, Equatable {
    /// A `colr` of kind `nclx` (MPEG-4) or `nclc` (QuickTime, which knows no range); code points of ITU-T H.273.
    struct Colour: Sendable, Equatable {
        var primaries: Int
        var transfer: Int
        var matrix: Int
        /// `nil` in `nclc`.
        var isFullRange: Bool?
    }

    /// The four-character code as stored.
    var type = ""
    /// The samples are encrypted: `encv`, `enca`, or a `sinf` beside the codec's boxes.
    var isEncrypted = false
    /// Pixels, of a picture.
    var width = 0
    var height = 0
    /// The payload of `avcC`.
    var avcC: [UInt8]?
    var pixelAspect: Rational?
    var colour: Colour?
    /// Of sound. Not always true: libavformat writes 2 for mono AAC.
    var channelCount = 0
    /// Hertz.
    var sampleRate = 0.0
    /// The object type indication of `esds`: 0x40 is MPEG-4 audio. ISO/IEC 14496-1, table 5.
    var objectTypeIndication: UInt8?
    var audioSpecificConfig: [UInt8]?

    /// Reads the payload of `stsd`: the first description, and how many there are.
    static func read(_ stsd: ArraySlice<UInt8>, handler: String) -> (SampleDescription, count: Int) {
        var description = SampleDescription()
        var count = 0
        guard let version = stsd.first else { return (description, 0) }
        for box in BoxReader(stsd.dropFirst(8)) {
            if count == 0 { description = SampleDescription(box, handler: handler, tableVersion: version) }
            count += 1
        }
        return (description, count)
    }

    /// A description of nothing.
    init() {}

    private init(_ entry: BoxReader.Box, handler: String, tableVersion: UInt8) {
        type = entry.type
        isEncrypted = type == "encv" || type == "enca"
        var reader = ByteReader(entry.payload)
        // Six reserved bytes, the data reference.
        guard reader.skip(8) else { return }
        switch handler {
        case "vide": readPicture(&reader)
        case "soun": readSound(&reader, tableVersion: tableVersion)
        default: break
        }
    }

    private mutating func readPicture(_ reader: inout ByteReader) {
        guard reader.skip(16), let width = reader.u16(), let height = reader.u16() else { return }
        self.width = Int(width)
        self.height = Int(height)
        // Resolutions, reserved, frame count, compressor name, depth, colour table.
        guard reader.skip(50) else { return }
        for box in BoxReader(reader.rest) {
            switch box.type {
            case "avcC": avcC = Array(box.payload)
            case "pasp": readAspect(box.payload)
            case "colr": readColour(box.payload)
            case "sinf": isEncrypted = true
            default: break
            }
        }
    }

    private mutating func readAspect(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard let across = reader.i32(), let down = reader.i32() else { return }
        pixelAspect = Rational(across, down)
    }

    private mutating func readColour(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard let kind = reader.fourCC(), kind == "nclx" || kind == "nclc", let primaries = reader.u16(),
            let transfer = reader.u16(), let matrix = reader.u16()
        else { return }
        let range = kind == "nclx" ? reader.u8().map { $0 & 0x80 != 0 } : nil
        colour = Colour(
            primaries: Int(primaries), transfer: Int(transfer), matrix: Int(matrix), isFullRange: range)
    }

    private mutating func readSound(_ reader: inout ByteReader, tableVersion: UInt8) {
        guard let version = reader.u16(), reader.skip(6), let channels = reader.u16(), reader.skip(6),
            let rate = reader.u32()
        else { return }
        channelCount = Int(channels)
        sampleRate = Double(rate) / 65536
        // QuickTime's larger entries; in MPEG-4 a version 1 entry has none of these and its table is version 1 too.
        if version == 1, tableVersion == 0 {
            guard reader.skip(16) else { return }
        } else if version == 2 {
            guard reader.skip(4), let bits = reader.u64(), let channels = reader.u32(), reader.skip(20) else { return }
            let rate = Double(bitPattern: bits)
            sampleRate = rate.isFinite ? rate : 0
            channelCount = Int(channels)
        }
        readSoundBoxes(reader.rest, isInside: false)
    }

    private mutating func readSoundBoxes(_ payload: ArraySlice<UInt8>, isInside wave: Bool) {
        for box in BoxReader(payload) {
            switch box.type {
            case "esds": readElementaryStream(box.payload.dropFirst(4))
            case "wave" where !wave: readSoundBoxes(box.payload, isInside: true)
            case "sinf": isEncrypted = true
            default: break
            }
        }
    }

    /// Reads an ES descriptor down to the decoder specific information. ISO/IEC 14496-1, section 7.2.6.5.
    private mutating func readElementaryStream(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard let stream = Self.descriptor(3, &reader) else { return }
        reader = ByteReader(stream)
        guard reader.skip(2), let flags = reader.u8() else { return }
        if flags & 0x80 != 0, !reader.skip(2) { return }
        if flags & 0x40 != 0 {
            guard let length = reader.u8(), reader.skip(Int(length)) else { return }
        }
        if flags & 0x20 != 0, !reader.skip(2) { return }
        guard let decoder = Self.descriptor(4, &reader) else { return }
        reader = ByteReader(decoder)
        objectTypeIndication = reader.u8()
        guard reader.skip(12), let specific = Self.descriptor(5, &reader) else { return }
        audioSpecificConfig = Array(specific)
    }

    /// The payload of the next descriptor where it has this tag. Its size comes in up to four groups of seven bits.
    private static func descriptor(_ tag: UInt8, _ reader: inout ByteReader) -> ArraySlice<UInt8>? {
        guard reader.u8() == tag else { return nil }
        var size = 0
        for _ in 0..<4 {
            guard let byte = reader.u8() else { return nil }
            size = size << 7 | Int(byte & 0x7F)
            if byte & 0x80 == 0 { break }
        }
        return reader.bytes(min(size, reader.remaining))
    }
}
