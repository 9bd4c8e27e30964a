internal import CFFmpeg
internal import Glibc

/// One H.264 picture as a container stores it: NAL units behind their lengths (MP4, Matroska, FLV) or behind start
/// codes (MPEG-TS, AVI). ITU-T H.264, 7.4.1 and annex B; ISO/IEC 14496-15, 5.3.
///
/// Only the units' headers and the byte patterns that no unit may hold are looked at. That shows what a lost, zeroed or
/// misplaced stretch of a file leaves behind, at the speed of reading; what keeps to these rules takes a decoder.
struct CodedPicture {
    /// How units are told apart.
    enum Framing: Sendable, Equatable {
        /// Each behind its length in so many bytes.
        case lengths(Int)
        /// Each behind 00 00 01.
        case startCodes
    }

    /// Units fill the packet, keep the rules, and begin a picture.
    var isWhole: Bool { isLegal && beginsPicture }
    /// Holds a slice of an IDR picture, behind which nothing leans on what came before.
    private(set) var isInstantRefresh = false
    /// Sequence and picture parameter sets in the packet, each with its header byte.
    private(set) var parameterSets: [[UInt8]] = []
    /// Holds units that MP4 doesn't want in samples: parameter sets, delimiters, filling.
    private(set) var hasForeignUnits = false
    /// Units with `UserData`, each with what tells it apart: where they are in the packet, and what is to stand there.
    private(set) var userData: [(range: Range<Int>, rest: [UInt8])] = []
    private let framing: Framing
    private var isLegal = true
    private var beginsPicture = false

    /// Zeros behind a unit: an encoder's filling up to here, a hole in the file beyond.
    private static let longestFilling = 64

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ framing: Framing) {
        self.framing = framing
        switch framing {
        case .lengths(let size): walk(bytes, lengthSize: size)
        case .startCodes: walkStartCodes(bytes)
        }
    }

    private mutating func walk(_ bytes: UnsafeBufferPointer<UInt8>, lengthSize: Int) {
        var position = 0
        while position < bytes.count {
            guard bytes.count - position > lengthSize else { return isLegal = false }
            let length = bytes[position..<(position + lengthSize)].reduce(0) { $0 << 8 | Int($1) }
            let start = position + lengthSize
            guard length > 0, length <= bytes.count - start else { return isLegal = false }
            position = start + length
            take(bytes, start..<position, prefix: lengthSize)
        }
    }

    private mutating func walkStartCodes(_ bytes: UnsafeBufferPointer<UInt8>) {
        var start: Int?
        var index = 2
        while index < bytes.count {
            if bytes[index] > 1 {
                index += 3
            } else if bytes[index] == 1, bytes[index - 1] == 0, bytes[index - 2] == 0 {
                if let start { take(bytes, start..<(index - 2), prefix: 3) }
                start = index + 1
                index += 3
            } else {
                index += 1
            }
        }
        guard let start, start < bytes.count else { return isLegal = false }
        take(bytes, start..<bytes.count, prefix: 3)
    }

    private mutating func take(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, prefix: Int) {
        let unit = UnsafeBufferPointer(rebasing: bytes[range])
        var end = unit.count
        while end > 0, unit[end - 1] == 0 { end -= 1 }
        // The forbidden bit is 0 in every unit.
        guard end > 0, unit[0] & 0x80 == 0, unit.count - end <= CodedPicture.longestFilling else {
            return isLegal = false
        }
        switch unit[0] & 31 {
        case 1, 5:
            if unit[0] & 31 == 5 { isInstantRefresh = true }
            // A one in front is the shortest code of a zero: the slice begins with the picture's first macroblock.
            if end > 1, unit[1] & 0x80 != 0 { beginsPicture = true }
            if !CodedPicture.isEscaped(unit[..<end]) { isLegal = false }
        case 6:
            guard let rest = UserData.removed(from: unit[..<end]) else { break }
            userData.append(((range.lowerBound - prefix)..<range.upperBound, framed(rest)))
        case 7, 8:
            parameterSets.append(Array(unit[..<end]))
            hasForeignUnits = true
        case 9, 12:
            hasForeignUnits = true
        default:
            break
        }
    }

    /// A unit behind what tells it apart; nothing where there is none.
    private func framed(_ unit: [UInt8]) -> [UInt8] {
        if unit.isEmpty { return [] }
        switch framing {
        case .lengths(let size):
            return (0..<size).reversed().map { UInt8(truncatingIfNeeded: unit.count >> ($0 * 8)) } + unit
        case .startCodes:
            return [0, 0, 1] + unit
        }
    }

    /// Whether 00 00 is never followed by 0, 1 or 2, as an encoder's escapes see to it.
    private static func isEscaped(_ unit: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let bytes = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: unit))
        guard let start = bytes.baseAddress else { return true }
        var index = 0
        while let zero = memchr(start + index, 0, bytes.count - index) {
            index = UnsafeRawPointer(zero) - start
            if index + 2 < bytes.count, bytes[index + 1] == 0, bytes[index + 2] <= 2 { return false }
            index += 1
        }
        return true
    }
}

extension Packet {
    /// The packet of an H.264 stream seen through its units.
    func codedPicture(_ framing: CodedPicture.Framing) -> CodedPicture {
        CodedPicture(UnsafeBufferPointer(start: pointer.pointee.data, count: size), framing)
    }
}

/// The parameter sets in front of an H.264 stream, which a copy rests on.
struct ParameterSets: Sendable {
    let framing: CodedPicture.Framing
    let sequence: SequenceParameterSet
    /// All of them, each with its header byte.
    let units: Set<[UInt8]>

    /// Reads an `avcC` record, or what libavformat finds at the start of a stream with start codes. `nil` where there is
    /// not exactly one sequence parameter set, or it can't be read.
    init?(_ extradata: [UInt8]) {
        var sequences: [[UInt8]]
        if extradata.first == 1 {
            guard let record = AVCConfiguration(extradata) else { return nil }
            framing = .lengths(record.nalLengthSize)
            sequences = record.spsList
            units = Set(record.spsList + record.ppsList)
        } else {
            framing = .startCodes
            let found = extradata.withUnsafeBufferPointer { CodedPicture($0, .startCodes).parameterSets }
            sequences = found.filter { $0[0] & 31 == 7 }
            units = Set(found)
        }
        sequences = Array(Set(sequences))
        guard sequences.count == 1, units.count > 1, let sequence = SequenceParameterSet(sequences[0]) else {
            return nil
        }
        self.sequence = sequence
    }
}
