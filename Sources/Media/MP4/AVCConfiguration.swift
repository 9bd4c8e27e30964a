/// The decoder configuration record of an `avcC` box. ISO/IEC 14496-15, section 5.3.3.
struct AVCConfiguration: Sendable, Equatable {
    /// Profile, constraint flags and level as the record repeats them from the SPS.
    var profile: UInt8
    var constraints: UInt8
    var level: UInt8
    /// Bytes of the length in front of each NAL unit of a sample: 1 to 4.
    var nalLengthSize: Int
    /// The sequence parameter sets, each a NAL unit with its header byte.
    var spsList: [[UInt8]] = []
    /// The picture parameter sets, each a NAL unit with its header byte.
    var ppsList: [[UInt8]] = []

    /// Reads the payload of `avcC`; `nil` where it is cut short or of another version.
    init?(_ payload: [UInt8]) {
        var reader = ByteReader(payload)
        guard reader.u8() == 1, let profile = reader.u8(), let constraints = reader.u8(), let level = reader.u8(),
            let lengthByte = reader.u8(), let spsCount = reader.u8()
        else { return nil }
        self.profile = profile
        self.constraints = constraints
        self.level = level
        nalLengthSize = Int(lengthByte & 3) + 1
        guard let spsList = Self.units(Int(spsCount & 31), &reader), let ppsCount = reader.u8(),
            let ppsList = Self.units(Int(ppsCount), &reader)
        else { return nil }
        self.spsList = spsList
        self.ppsList = ppsList
    }

    private static func units(_ count: Int, _ reader: inout ByteReader) -> [[UInt8]]? {
        var units: [[UInt8]] = []
        for _ in 0..<count {
            guard let size = reader.u16(), let unit = reader.bytes(Int(size)) else { return nil }
            units.append(Array(unit))
        }
        return units
    }
}
