/// The video usability information of a sequence parameter set. ITU-T H.264, section E.1.1.
struct VideoUsability: Sendable, Equatable {
    /// `num_units_in_tick` and `time_scale`; a frame of two fields lasts two ticks.
    struct Timing: Sendable, Equatable {
        var unitsInTick: UInt32
        var timeScale: UInt32
        var isFixedRate: Bool
    }

    /// Shape of a pixel, width by height; `nil` where unspecified.
    var pixelAspect: Rational?
    /// `video_full_range_flag`; `nil` where absent.
    var isFullRange: Bool?
    /// Code points of ITU-T H.273; `nil` where absent, 2 where the stream says it does not know.
    var primaries: Int?
    var transfer: Int?
    var matrix: Int?
    var timing: Timing?
    /// `max_num_reorder_frames`; `nil` where absent.
    var maximumReorderedFrames: Int?

    /// Reads what follows `vui_parameters_present_flag`; `nil` where it is cut short.
    init?(_ reader: inout BitReader) {
        guard readAspect(&reader), Self.readOverscan(&reader), readSignal(&reader), Self.readChromaLocation(&reader),
            readTiming(&reader), Self.readBuffers(&reader), reader.flag() != nil, readRestriction(&reader)
        else { return nil }
    }

    /// Table E-1, by `aspect_ratio_idc`.
    private static let aspects: [(Int32, Int32)] = [
        (0, 0), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11),
        (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
    ]

    private mutating func readAspect(_ reader: inout BitReader) -> Bool {
        guard let isPresent = reader.flag() else { return false }
        guard isPresent else { return true }
        guard let code = reader.bits(8) else { return false }
        if code == 255 {
            guard let width = reader.bits(16), let height = reader.bits(16) else { return false }
            if width > 0, height > 0 { pixelAspect = Rational(Int32(width), Int32(height)) }
        } else if code > 0, Int(code) < Self.aspects.count {
            let (width, height) = Self.aspects[Int(code)]
            pixelAspect = Rational(width, height)
        }
        return true
    }

    private static func readOverscan(_ reader: inout BitReader) -> Bool {
        guard let isPresent = reader.flag() else { return false }
        return !isPresent || reader.skip(1)
    }

    private mutating func readSignal(_ reader: inout BitReader) -> Bool {
        guard let isPresent = reader.flag() else { return false }
        guard isPresent else { return true }
        guard reader.skip(3), let fullRange = reader.flag(), let hasColours = reader.flag() else { return false }
        isFullRange = fullRange
        guard hasColours else { return true }
        guard let primaries = reader.bits(8), let transfer = reader.bits(8), let matrix = reader.bits(8) else {
            return false
        }
        self.primaries = Int(primaries)
        self.transfer = Int(transfer)
        self.matrix = Int(matrix)
        return true
    }

    private static func readChromaLocation(_ reader: inout BitReader) -> Bool {
        guard let isPresent = reader.flag() else { return false }
        return !isPresent || (reader.exponentialGolomb() != nil && reader.exponentialGolomb() != nil)
    }

    private mutating func readTiming(_ reader: inout BitReader) -> Bool {
        guard let isPresent = reader.flag() else { return false }
        guard isPresent else { return true }
        guard let units = reader.bits(32), let scale = reader.bits(32), let isFixed = reader.flag() else {
            return false
        }
        timing = Timing(unitsInTick: units, timeScale: scale, isFixedRate: isFixed)
        return true
    }

    /// Passes both models of a decoder's buffer and, where there is one, `low_delay_hrd_flag`.
    private static func readBuffers(_ reader: inout BitReader) -> Bool {
        guard let hasNAL = reader.flag(), !hasNAL || readBuffer(&reader),
            let hasVCL = reader.flag(), !hasVCL || readBuffer(&reader)
        else { return false }
        return !(hasNAL || hasVCL) || reader.skip(1)
    }

    /// ITU-T H.264, section E.1.2.
    private static func readBuffer(_ reader: inout BitReader) -> Bool {
        guard let lastSchedule = reader.exponentialGolomb(), lastSchedule <= 31, reader.skip(8) else { return false }
        for _ in 0...lastSchedule {
            guard reader.exponentialGolomb() != nil, reader.exponentialGolomb() != nil, reader.flag() != nil else {
                return false
            }
        }
        return reader.skip(20)
    }

    private mutating func readRestriction(_ reader: inout BitReader) -> Bool {
        guard let isPresent = reader.flag() else { return false }
        guard isPresent else { return true }
        guard reader.flag() != nil else { return false }
        for _ in 0..<4 where reader.exponentialGolomb() == nil { return false }
        guard let reordered = reader.exponentialGolomb(), reordered <= 16, reader.exponentialGolomb() != nil else {
            return false
        }
        maximumReorderedFrames = Int(reordered)
        return true
    }
}
