import CFFmpeg
import Testing

@testable import Media

struct CodedPictureTests {
    /// An IDR slice that begins a picture, and a later one of an ordinary picture that does too.
    static let refresh: [UInt8] = [0x65, 0x88, 0x84, 0x21]
    static let ordinary: [UInt8] = [0x41, 0x9A, 0x24, 0x6C]
    static let delimiter: [UInt8] = [0x09, 0xF0]
    static let sequence: [UInt8] = [0x67, 0x64, 0x00, 0x0D]

    static func prefixed(_ units: [[UInt8]]) -> [UInt8] {
        units.flatMap { [0, 0, UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }
    }

    static func picture(_ bytes: [UInt8], _ framing: CodedPicture.Framing) -> CodedPicture {
        bytes.withUnsafeBufferPointer { CodedPicture($0, framing) }
    }

    @Test func `units behind lengths and behind start codes are the same units`() {
        let units = [Self.delimiter, Self.sequence, Self.refresh]
        let coded = [0, 0, 0, 1] + Self.delimiter + [0, 0, 1] + Self.sequence + [0, 0, 0, 1] + Self.refresh
        for picture in [
            Self.picture(Self.prefixed(units), .lengths(4)), Self.picture(coded, .startCodes),
            Self.picture(coded + [0, 0], .startCodes),
        ] {
            #expect(picture.isWhole && picture.isInstantRefresh && picture.hasForeignUnits)
            #expect(picture.parameterSets == [Self.sequence])
        }
        let plain = Self.picture(Self.prefixed([Self.ordinary]), .lengths(4))
        #expect(plain.isWhole && !plain.isInstantRefresh && !plain.hasForeignUnits)
    }

    static let damaged: [(what: String, bytes: [UInt8])] = [
        ("nothing", []),
        ("a length beyond the end", [0, 0, 0, 9] + ordinary),
        ("a length of 0", [0, 0, 0, 0] + prefixed([ordinary])),
        ("half a length", prefixed([ordinary]) + [0, 0]),
        ("the forbidden bit", prefixed([[0xC1, 0x9A, 0x24]])),
        ("no first macroblock", prefixed([[0x41, 0x4A, 0x24]])),
        ("no slice", prefixed([sequence])),
        ("a hole", prefixed([ordinary + [0, 0, 0, 0, 7]])),
        ("a start code inside a unit", prefixed([ordinary + [0, 0, 1, 7]])),
        ("a hole up to the end", prefixed([ordinary + [UInt8](repeating: 0, count: 65)])),
    ]

    @Test(arguments: damaged.indices)
    func `what no encoder writes is damage`(index: Int) {
        #expect(!Self.picture(Self.damaged[index].bytes, .lengths(4)).isWhole, "\(Self.damaged[index].what)")
    }

    @Test func `escaped bytes and filling behind a unit are no damage`() {
        #expect(Self.picture(Self.prefixed([Self.ordinary + [0, 0, 3, 1, 9]]), .lengths(4)).isWhole)
        #expect(Self.picture(Self.prefixed([Self.ordinary + [0, 0, 0, 0]]), .lengths(4)).isWhole)
        #expect(Self.picture([3] + Self.ordinary.prefix(3), .lengths(1)).isWhole)
        #expect(!Self.picture(Self.ordinary, .startCodes).isWhole)
    }

    /// A recording point that is a key frame, as type 6 and 1 byte; a tag of AVCHD's with zeros that need an escape.
    static let point: [UInt8] = [0x06, 0x01, 0xC4]
    static let tag: [UInt8] = [0x05, 0x14, 0x17, 0xEE, 0x8C, 0x60] + [0x00, 0x00, 0x03, 0x01] + [UInt8](1...13)

    static let userData: [(what: String, unit: [UInt8], rest: [UInt8]?)] = [
        ("no user data", [0x06] + point + [0x80], nil),
        ("user data alone", [0x06] + tag + [0x80], []),
        ("user data twice", [0x06] + tag + tag + [0x80], []),
        ("user data in front of another message", [0x06] + tag + point + [0x80], [0x06] + point + [0x80]),
        ("user data behind another message", [0x06] + point + tag + [0x80], [0x06] + point + [0x80]),
        ("user data without a mark of its end", [0x06] + tag, []),
        ("user data cut short", [0x06] + tag.dropLast(5), []),
        ("registered user data", [0x06, 0x04, 0x04, 0xB5, 0x00, 0x3C, 0x01, 0x80], []),
        ("captions", [0x06, 0x04, 0x04, 0xB5, 0x00, 0x31, 0x47, 0x80], nil),
        ("another message cut short", [0x06, 0x01, 0x09, 0x80], nil),
        // What was apart is behind two zeros now.
        (
            "a seam", [0x06, 0x01, 0x02, 0x00, 0x00] + tag + [0x01, 0x01, 0xC4, 0x80],
            [0x06, 0x01, 0x02, 0x00, 0x00, 0x03, 0x01, 0x01, 0xC4, 0x80]
        ),
    ]

    @Test(arguments: userData.indices)
    func `user data is found beside other messages, which stay`(index: Int) {
        let (what, unit, rest) = Self.userData[index]
        #expect(UserData.removed(from: unit) == rest, "\(what)")
    }

    @Test func `a packet is rid of its user data, whatever tells its units apart`() throws {
        let both = [0x06] + Self.tag + Self.point + [0x80]
        let alone = [0x06] + Self.tag + [0x80]
        let point = [0x06] + Self.point + [0x80]
        let front = [0, 0, 0, 1] + Self.delimiter + [0, 0, 1]
        let coded = front + both + [0, 0, 0, 1] + alone + [0, 0, 1] + Self.refresh
        let cases: [(CodedPicture.Framing, [UInt8], [UInt8])] = [
            (
                .lengths(4), Self.prefixed([Self.delimiter, both, alone, Self.refresh]),
                Self.prefixed([Self.delimiter, point, Self.refresh])
            ),
            (.startCodes, coded, front + point + [0, 0, 1] + Self.refresh),
        ]
        for (framing, before, after) in cases {
            let packet = try Packet(timeBase: Rational(1, 30))
            try #require(av_new_packet(packet.pointer, Int32(before.count)) == 0)
            UnsafeMutableRawBufferPointer(start: packet.pointer.pointee.data, count: before.count)
                .copyBytes(from: before)
            let picture = packet.codedPicture(framing)
            #expect(picture.isWhole)
            try packet.replace(picture.userData)
            #expect(Array(UnsafeBufferPointer(start: packet.pointer.pointee.data, count: packet.size)) == after)
            #expect(packet.codedPicture(framing).userData.isEmpty)
        }
    }

    @Test func `headers of AAC packets are read, and what MP4 can't hold is refused`() {
        // AAC-LC, 48 kHz, stereo, 235 bytes; as ffmpeg writes it.
        let header: [UInt8] = [0xFF, 0xF1, 0x4C, 0x80, 0x1D, 0x7F, 0xFC]
        let read = ADTSHeader(header)
        #expect(read?.size == 7 && read?.packetSize == 235)
        #expect(read?.configuration == [0x11, 0x90])
        #expect(AudioSpecificConfig(read?.configuration ?? [])?.sampleRate == 48000)
        #expect(ADTSHeader([0xFF, 0xF0] + header.dropFirst(2) + [0, 0])?.size == 9)
        #expect(ADTSHeader(header.dropLast(1)) == nil)
        #expect(ADTSHeader([0xFF, 0xE1] + header.dropFirst(2)) == nil)
        // No channel count of its own; two blocks in a packet; a packet shorter than its header.
        #expect(ADTSHeader([0xFF, 0xF1, 0x4C, 0x00] + header.dropFirst(4)) == nil)
        #expect(ADTSHeader(header.dropLast(1) + [0xFD]) == nil)
        #expect(ADTSHeader([0xFF, 0xF1, 0x4C, 0x80, 0x00, 0x7F, 0xFC]) == nil)
    }

    @Test func `packets read one by one make the table an index would have`() {
        // Shown 0 2 1 3 in coding order, a pause behind the third.
        let table = SampleTable(
            times: [1000, 1200, 1100, 1500], sizes: [9, 8, 7, 6], keys: [0], lastDuration: 100)
        #expect(table.isPlausible && table.count == 4 && table.totalBytes == 30)
        #expect(Array(table.presentationTimes) == [0, 200, 100, 500])
        #expect(Array(table.decodeTimes) == [0, 100, 200, 500])
        #expect(table.duration == 600)
        #expect(table.syncSamples == [0])
        #expect(!SampleTable(times: [0, 1 << 40], sizes: [1, 1], keys: nil, lastDuration: 1).isPlausible)
        #expect(SampleTable(times: [5, 6], sizes: [1, 1], keys: nil, lastDuration: 1).compositionRuns.isEmpty)
    }
}
