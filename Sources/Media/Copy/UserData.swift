/// User data in an H.264 stream, where cameras write their maker, their model, the time and the place: a kind of message
/// in units of supplemental enhancement information. ITU-T H.264, 7.3.2.3.1 and D.1.
enum UserData {
    /// Payload types: registered by ITU-T T.35, and unregistered behind a UUID.
    private static let types = 4...5
    /// What user data may begin with and stay, as it tells of neither device nor place: ATSC's captions, and x264's note
    /// of its settings.
    private static let harmless: [[UInt8]] = [
        [0xB5, 0x00, 0x31],
        [0xDC, 0x45, 0xE9, 0xBD, 0xE6, 0xD9, 0x48, 0xB7, 0x96, 0x2C, 0xD8, 0x20, 0xD9, 0x23, 0xEE, 0xEF],
    ]

    /// A unit, given from its header byte to its last that isn't 0, with the other messages alone: empty where there are
    /// none, `nil` where nothing has to go.
    static func removed(from unit: some Collection<UInt8>) -> [UInt8]? {
        guard let header = unit.first else { return nil }
        var messages = ByteReader(BitReader.unescaped(unit.dropFirst()))
        var kept: [UInt8] = []
        var isChanged = false
        // The last byte only marks the end.
        while messages.remaining > 1 {
            let message = messages.rest
            guard let type = number(&messages), let size = number(&messages) else { break }
            let payload = messages.bytes(size)
            if types.contains(type), payload.map(isHarmless) != true {
                isChanged = true
            } else if payload != nil {
                kept += message.prefix(message.count - messages.remaining)
            }
            // What is cut short has no end to go on from.
            if payload == nil { break }
        }
        guard isChanged else { return nil }
        return kept.isEmpty ? [] : escaped([header] + kept + [0x80])
    }

    private static func isHarmless(_ payload: ArraySlice<UInt8>) -> Bool {
        harmless.contains { payload.starts(with: $0) }
    }

    /// A type or a size: bytes to add up, of which the first that isn't 255 is the last.
    private static func number(_ reader: inout ByteReader) -> Int? {
        var sum = 0
        while let byte = reader.u8() {
            sum += Int(byte)
            if byte < 255 { return sum }
        }
        return nil
    }

    /// With a 3 wherever two zeros would let a byte be taken for a start code's.
    private static func escaped(_ plain: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(plain.count + 8)
        var zeros = 0
        for byte in plain {
            if zeros >= 2, byte <= 3 {
                result.append(3)
                zeros = 0
            }
            zeros = byte == 0 ? zeros + 1 : 0
            result.append(byte)
        }
        return result
    }
}
