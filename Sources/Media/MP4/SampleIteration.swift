/// The ways to walk a track's samples, each in decode order and without a copy of the expanded tables.
///
/// Arithmetic wraps instead of trapping; within `SampleTable.maximumCount` samples no honest sum overflows.
extension SampleTable {
    /// When each sample is decoded, in ticks of the media timescale from 0.
    var decodeTimes: DecodeTimes { DecodeTimes(runs: timeRuns, remaining: count) }

    /// When each sample is shown, in ticks of the media timescale. In decode order: B-frames make it jump.
    var presentationTimes: PresentationTimes {
        PresentationTimes(decode: decodeTimes, runs: compositionRuns)
    }

    /// The chunks, in the order of the file's table.
    var chunks: Chunks { Chunks(table: self) }

    /// A stretch of a track's samples that lie behind one another in the file.
    struct Chunk: Sendable, Equatable {
        /// Where it begins in the file; `Int64.max` where the file's number is larger.
        var offset: Int64
        /// Its first sample, counted from 0.
        var firstSample: Int
        /// How many samples it holds.
        var sampleCount: Int
        /// Their bytes together.
        var byteCount: Int64

        /// The first byte behind it, `Int64.max` where that overflows.
        var end: Int64 {
            let (end, overflow) = offset.addingReportingOverflow(byteCount)
            return overflow ? .max : end
        }
    }

    /// Iterates decode times.
    struct DecodeTimes: Sequence, IteratorProtocol, Sendable {
        fileprivate var runs: [TimeRun]
        /// Samples still to come: the table may give times to more, or to fewer.
        fileprivate var remaining: Int
        private var run = 0
        private var usedInRun: UInt32 = 0
        private var time: Int64 = 0

        fileprivate init(runs: [TimeRun], remaining: Int) {
            self.runs = runs
            self.remaining = remaining
        }

        /// The next sample's time. Samples the table forgot share the time behind the last it knows.
        mutating func next() -> Int64? {
            guard remaining > 0 else { return nil }
            remaining -= 1
            let current = time
            while run < runs.count, usedInRun >= runs[run].count {
                run += 1
                usedInRun = 0
            }
            if run < runs.count {
                time &+= Int64(runs[run].delta)
                usedInRun &+= 1
            }
            return current
        }
    }

    /// Iterates presentation times.
    struct PresentationTimes: Sequence, IteratorProtocol, Sendable {
        fileprivate var decode: DecodeTimes
        fileprivate var runs: [CompositionRun]
        private var run = 0
        private var usedInRun: UInt32 = 0

        fileprivate init(decode: DecodeTimes, runs: [CompositionRun]) {
            self.decode = decode
            self.runs = runs
        }

        /// The next sample's time. Samples the table forgot are shown when they are decoded.
        mutating func next() -> Int64? {
            guard let time = decode.next() else { return nil }
            while run < runs.count, usedInRun >= runs[run].count {
                run += 1
                usedInRun = 0
            }
            guard run < runs.count else { return time }
            usedInRun &+= 1
            return time &+ Int64(runs[run].offset)
        }
    }

    /// Iterates chunks; ends when all samples have been placed, or the chunks run out.
    struct Chunks: Sequence, IteratorProtocol, Sendable {
        fileprivate let table: SampleTable
        private var index = 0
        private var run = 0
        private var sample = 0

        fileprivate init(table: SampleTable) { self.table = table }

        /// The next chunk that holds samples.
        mutating func next() -> Chunk? {
            while index < table.chunkOffsets.count, sample < table.count, !table.chunkRuns.isEmpty {
                let runs = table.chunkRuns
                while run + 1 < runs.count, Int(runs[run + 1].firstChunk) <= index + 1 { run += 1 }
                let offset = Int64(clamping: table.chunkOffsets[index])
                let claimed = Int(runs[run].firstChunk) <= index + 1 ? Int(runs[run].samplesPerChunk) : 0
                index += 1
                guard claimed > 0 else { continue }
                let sampleCount = Swift.min(claimed, table.count - sample)
                let chunk = Chunk(
                    offset: offset, firstSample: sample, sampleCount: sampleCount,
                    byteCount: table.byteCount(sample..<sample + sampleCount))
                sample += sampleCount
                return chunk
            }
            return nil
        }
    }
}
