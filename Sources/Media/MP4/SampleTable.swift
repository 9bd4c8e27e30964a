/// The samples of one track: when each is shown, how large it is and where it lies. ISO/IEC 14496-12, section 8.6
/// and 8.7 (`stts`, `ctts`, `stss`, `stsz`, `stz2`, `stsc`, `stco`, `co64`).
///
/// The tables stay as run-length encoded as the file has them and are expanded by iterating. Counts in the file
/// are claims: four bytes can announce four billion samples. What no payload backs is cut at `maximumCount`, and
/// `isPlausible` is then false.
struct SampleTable: Sendable {
    /// A run of `stts`: this many samples, each lasting `delta` ticks of the media timescale.
    struct TimeRun: Sendable, Equatable {
        var count: UInt32
        var delta: UInt32
    }

    /// A run of `ctts`: this many samples, each shown `offset` ticks after its decode time.
    ///
    /// Read as signed in both versions: many writers put negative offsets into version 0, as libavformat knows.
    struct CompositionRun: Sendable, Equatable {
        var count: UInt32
        var offset: Int32
    }

    /// A run of `stsc`: chunks from `firstChunk` (counted from 1) on hold this many samples each.
    struct ChunkRun: Sendable, Equatable {
        var firstChunk: UInt32
        var samplesPerChunk: UInt32
        var description: UInt32
    }

    /// Samples beyond this number are not looked at: 46 hours at 60 frames a second.
    static let maximumCount = 10_000_000

    /// Number of samples, by `stsz` or `stz2`, at most `maximumCount`.
    private(set) var count = 0
    /// Whether the tables are within bounds, agree in their number of samples, and place every one of them.
    private(set) var isPlausible = true
    /// `stts`.
    private(set) var timeRuns: [TimeRun] = []
    /// `ctts`; empty where each sample is shown when it is decoded.
    private(set) var compositionRuns: [CompositionRun] = []
    /// `stsc`.
    private(set) var chunkRuns: [ChunkRun] = []
    /// `stco` or `co64`: where each chunk begins in the file.
    private(set) var chunkOffsets: [UInt64] = []
    /// Samples that decode without an earlier one, counted from 0, ascending; `nil` where there is no `stss` and so
    /// every sample is one.
    private(set) var syncSamples: [Int]?

    /// The size of every sample, or 0 where `sizes` has one for each.
    private var uniformSize: UInt32 = 0
    private var sizes: [UInt32] = []

    /// A table without samples, as a fragmented file's movie box has it.
    init() {}

    /// Reads the payload of `stbl`. Missing and malformed boxes leave their table empty and the whole implausible.
    init(_ stbl: ArraySlice<UInt8>) {
        for box in BoxReader(stbl) {
            switch box.type {
            case "stts": readTimes(box.payload)
            case "ctts": readCompositions(box.payload)
            case "stss": readSyncSamples(box.payload)
            case "stsz": readSizes(box.payload)
            case "stz2": readCompactSizes(box.payload)
            case "stsc": readChunkRuns(box.payload)
            case "stco": readChunkOffsets(box.payload, width: 4)
            case "co64": readChunkOffsets(box.payload, width: 8)
            default: break
            }
        }
        if timedCount != UInt64(count) || placedCount != UInt64(count) { isPlausible = false }
        if let last = syncSamples?.last, last >= count {
            syncSamples?.removeAll { $0 >= count }
            isPlausible = false
        }
    }

    /// Lists packets that were read one by one, in coding order. Their decode times are made from the order in which
    /// they are shown: that always rises, which the containers' own don't.
    ///
    /// - Parameters:
    ///   - times: when each is shown, in ticks; the earliest becomes 0.
    ///   - keys: the packets that decode without an earlier one, ascending; `nil`: all.
    ///   - lastDuration: how long the last one shown stays.
    init(times: [Int64], sizes: [UInt32], keys: [Int]?, lastDuration: Int64) {
        count = min(times.count, sizes.count)
        self.sizes = sizes
        syncSamples = keys
        let shown = times.sorted()
        for (index, time) in shown.enumerated() {
            let following = index + 1 < shown.count ? shown[index + 1] : time &+ max(0, lastDuration)
            guard let delta = UInt32(exactly: following &- time), let offset = Int32(exactly: times[index] &- time)
            else {
                isPlausible = false
                return
            }
            if timeRuns.last?.delta == delta {
                timeRuns[timeRuns.count - 1].count += 1
            } else {
                timeRuns.append(TimeRun(count: 1, delta: delta))
            }
            if compositionRuns.last?.offset == offset {
                compositionRuns[compositionRuns.count - 1].count += 1
            } else {
                compositionRuns.append(CompositionRun(count: 1, offset: offset))
            }
        }
        if compositionRuns.allSatisfy({ $0.offset == 0 }) { compositionRuns = [] }
    }

    /// The sum of all sample durations in ticks of the media timescale, by `stts`; `UInt64.max` where it overflows.
    var duration: UInt64 {
        var sum: UInt64 = 0
        for run in timeRuns { sum = sum.addingClamped(UInt64(run.count) &* UInt64(run.delta)) }
        return sum
    }

    /// From when the first sample is shown to when the last has been, in ticks. That is more than `duration` where they are
    /// reordered and a long rest comes just before the last: it lies in their composition offsets then.
    var shownDuration: UInt64 {
        let (first, last) = presentationTimes.reduce((Int64.max, Int64.min)) { (min($0.0, $1), max($0.1, $1)) }
        guard last >= first else { return 0 }
        return UInt64(clamping: last.subtractingReportingOverflow(first).partialValue)
            .addingClamped(UInt64(timeRuns.last?.delta ?? 0))
    }

    /// Bytes of all samples together.
    var totalBytes: Int64 {
        byteCount(0..<count)
    }

    /// The first byte behind the last sample in the file; `nil` without samples, `Int64.max` where it overflows.
    var maximumEnd: Int64? {
        var maximum: Int64?
        for chunk in chunks where chunk.sampleCount > 0 { maximum = max(maximum ?? 0, chunk.end) }
        return maximum
    }

    /// Bytes of the sample `index`, counted from 0; 0 where there is no such sample.
    func size(of index: Int) -> Int {
        guard index >= 0, index < count else { return 0 }
        return uniformSize > 0 ? Int(uniformSize) : Int(sizes[index])
    }

    /// Bytes of the samples in a range that lies within `count`.
    func byteCount(_ range: Range<Int>) -> Int64 {
        if uniformSize > 0 { return Int64(uniformSize) &* Int64(range.count) }
        var sum: Int64 = 0
        for index in range.clamped(to: 0..<sizes.count) { sum &+= Int64(sizes[index]) }
        return sum
    }

    /// Entries that libavformat makes of this table. Of uncompressed sound, whose samples all last one tick, it takes a
    /// thousand together, or what its encoder packed together.
    func indexEntries(isSound: Bool) -> UInt64 {
        if isSound, timeRuns.count == 1, timeRuns[0].delta == 1 { return placedCount / 128 }
        return max(UInt64(count), compositionRuns.reduce(0) { $0 &+ UInt64($1.count) })
    }

    /// Samples the `stts` gives a time to.
    private var timedCount: UInt64 { timeRuns.reduce(0) { $0 &+ UInt64($1.count) } }

    /// Samples the `stsc` gives a chunk to.
    private var placedCount: UInt64 {
        var total: UInt64 = 0
        for (index, run) in chunkRuns.enumerated() {
            let isLast = index + 1 == chunkRuns.count
            let next = isLast ? UInt64(chunkOffsets.count) &+ 1 : UInt64(chunkRuns[index + 1].firstChunk)
            let first = UInt64(run.firstChunk)
            guard first >= 1, next >= first else { return .max }
            let (samples, overflow) = (next &- first).multipliedReportingOverflow(by: UInt64(run.samplesPerChunk))
            total = overflow ? .max : total.addingClamped(samples)
        }
        return total
    }
}

// MARK: - Reading

extension SampleTable {
    /// Skips version and flags and reads the number of entries, cut to what the payload can hold.
    private mutating func entries(_ reader: inout ByteReader, width: Int) -> Int {
        guard reader.skip(4), let claimed = reader.u32() else {
            isPlausible = false
            return 0
        }
        let possible = reader.remaining / width
        if Int(claimed) > possible { isPlausible = false }
        return min(Int(claimed), possible)
    }

    private mutating func readTimes(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        let entryCount = entries(&reader, width: 8)
        timeRuns = []
        timeRuns.reserveCapacity(entryCount)
        for _ in 0..<entryCount {
            guard let count = reader.u32(), let delta = reader.u32() else { return }
            timeRuns.append(TimeRun(count: count, delta: delta))
        }
    }

    private mutating func readCompositions(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        let entryCount = entries(&reader, width: 8)
        compositionRuns = []
        compositionRuns.reserveCapacity(entryCount)
        for _ in 0..<entryCount {
            guard let count = reader.u32(), let offset = reader.i32() else { return }
            compositionRuns.append(CompositionRun(count: count, offset: offset))
        }
    }

    private mutating func readSyncSamples(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        let entryCount = entries(&reader, width: 4)
        var numbers: [Int] = []
        numbers.reserveCapacity(entryCount)
        var previous: UInt32 = 0
        for _ in 0..<entryCount {
            guard let number = reader.u32() else { break }
            guard number > previous else {
                isPlausible = false
                continue
            }
            numbers.append(Int(number) - 1)
            previous = number
        }
        syncSamples = numbers
    }

    private mutating func readSizes(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard reader.skip(4), let uniform = reader.u32(), let claimed = reader.u32() else {
            isPlausible = false
            return
        }
        uniformSize = uniform
        sizes = []
        setCount(Int(claimed), possible: uniform > 0 ? Int(claimed) : reader.remaining / 4)
        guard uniform == 0 else { return }
        sizes.reserveCapacity(count)
        for _ in 0..<count { sizes.append(reader.u32() ?? 0) }
    }

    private mutating func readCompactSizes(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        guard reader.skip(7), let bits = reader.u8(), let claimed = reader.u32(), [4, 8, 16].contains(bits) else {
            isPlausible = false
            return
        }
        uniformSize = 0
        sizes = []
        setCount(Int(claimed), possible: reader.remaining * 8 / Int(bits))
        sizes.reserveCapacity(count)
        var pair: UInt8 = 0
        for index in 0..<count {
            switch bits {
            case 16: sizes.append(UInt32(reader.u16() ?? 0))
            case 8: sizes.append(UInt32(reader.u8() ?? 0))
            default:
                if index % 2 == 0 { pair = reader.u8() ?? 0 }
                sizes.append(UInt32(index % 2 == 0 ? pair >> 4 : pair & 15))
            }
        }
    }

    private mutating func setCount(_ claimed: Int, possible: Int) {
        count = min(claimed, possible, Self.maximumCount)
        if count < claimed { isPlausible = false }
    }

    private mutating func readChunkRuns(_ payload: ArraySlice<UInt8>) {
        var reader = ByteReader(payload)
        let entryCount = entries(&reader, width: 12)
        chunkRuns = []
        chunkRuns.reserveCapacity(entryCount)
        for _ in 0..<entryCount {
            guard let first = reader.u32(), let samples = reader.u32(), let description = reader.u32() else { return }
            chunkRuns.append(ChunkRun(firstChunk: first, samplesPerChunk: samples, description: description))
        }
    }

    private mutating func readChunkOffsets(_ payload: ArraySlice<UInt8>, width: Int) {
        var reader = ByteReader(payload)
        let entryCount = entries(&reader, width: width)
        chunkOffsets = []
        chunkOffsets.reserveCapacity(entryCount)
        for _ in 0..<entryCount {
            guard let offset = width == 8 ? reader.u64() : reader.u32().map(UInt64.init) else { return }
            chunkOffsets.append(offset)
        }
    }
}

extension UInt64 {
    /// The sum, or the largest number where it does not fit.
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
