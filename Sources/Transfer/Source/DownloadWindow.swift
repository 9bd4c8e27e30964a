/// The bytes of a file that are in memory or on their way, and what to fetch next. Bounded, whatever the file's size.
///
/// ```
///            history             position          ahead, grows while reading goes on in sequence
///  ┌───────┐      ┌───────────────┐│┌─────────┬─────────┬ ─ ─ ─ ┐
///  │ chunk │      │     chunk     │││  chunk  │  chunk  │  next
///  └───────┘      └───────────────┘│└─────────┴─────────┴ ─ ─ ─ ┘
///   what was read longest ago goes first, when the next chunk needs its memory
/// ```
struct DownloadWindow {
    /// Part of the file in one piece of memory, filled from the front by one request at a time.
    final class Chunk {
        let start: Int64
        /// Where its bytes end once all have come.
        var end: Int64
        /// The first byte that is missing.
        fileprivate(set) var reached: Int64
        /// Whether a request is filling it.
        var isActive = false
        /// When a failed request for the rest may be made again, by the caller's clock.
        var retryAt = 0.0
        var faults = Faults()
        /// How far reading in sequence had come when it was here.
        fileprivate var run: Int64
        fileprivate var lastUse: UInt64
        /// Behind the last byte that was read.
        fileprivate var read: Int64
        fileprivate let memory: UnsafeMutableRawBufferPointer

        /// Failures since the last progress.
        struct Faults {
            var count = 0
            var since = 0.0
            var reached: Int64 = 0
        }

        fileprivate init(_ range: Range<Int64>, run: Int64, lastUse: UInt64) {
            start = range.lowerBound
            end = range.upperBound
            reached = start
            read = start
            faults.reached = start
            self.run = run
            self.lastUse = lastUse
            memory = .allocate(byteCount: range.count, alignment: 16)
        }

        deinit { memory.deallocate() }

        var isComplete: Bool { reached >= end }

        /// Appends bytes; returns how many had room.
        func append(_ bytes: UnsafeRawBufferPointer) -> Int {
            let offset = Int(reached - start)
            let count = min(bytes.count, Int(end - reached))
            guard count > 0 else { return 0 }
            UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            reached += Int64(count)
            return count
        }
    }

    /// The smallest and first chunk: one that a probe of the head or of the index is likely to need.
    static let smallest: Int64 = 256 << 10

    /// Chunks in the order of the file; none overlap.
    private(set) var chunks: [Chunk] = []
    /// Memory in use, in bytes.
    private(set) var allocated: Int64 = 0
    /// Where the next byte is expected to be read.
    private(set) var position: Int64 = 0
    /// How many bytes were read in sequence up to here.
    private var run: Int64 = 0
    private var jumps = 0
    private var uses: UInt64 = 0
    /// At most so much memory, in bytes.
    let limit: Int64
    private let largest: Int64

    /// - Parameters:
    ///   - limit: memory in bytes; at least 1 MiB is used.
    ///   - connections: how many chunks are filled at once.
    init(limit: Int64, connections: Int) {
        self.limit = max(limit, 4 * DownloadWindow.smallest)
        let share = self.limit * 3 / 4 / Int64(max(1, connections) + 1)
        largest = min(4 << 20, max(DownloadWindow.smallest, share))
    }

    /// How far ahead of the reader bytes are fetched: little at first, twice as much as has been read in sequence later.
    /// A reader that keeps jumping far gets less, and a quarter is left to what was read, for short ways back.
    private var ahead: Int64 {
        min(max(2 * run, DownloadWindow.smallest), jumps > 8 ? max(limit / 4, DownloadWindow.smallest) : limit * 3 / 4)
    }

    private var chunkSize: Int64 {
        var size = DownloadWindow.smallest
        while size * 2 <= min(ahead / 2, largest) { size *= 2 }
        return size
    }

    /// The chunk that has the byte or waits for it.
    func chunk(at offset: Int64) -> Chunk? {
        // There are few chunks: a window of 32 MiB has a dozen.
        chunks.first { $0.start <= offset && offset < $0.end }
    }

    // MARK: Reading

    /// Copies what is there from `offset` on, of one chunk; `nil` if the byte hasn't come.
    mutating func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int? {
        guard let chunk = chunk(at: offset), offset < chunk.reached else { return nil }
        let count = min(target.count, Int(chunk.reached - offset))
        let place = Int(offset - chunk.start)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: chunk.memory[place..<place + count]))
        if offset != position {
            run = chunk.run
            if abs(offset - position) > limit / 4 { jumps += 1 }
        }
        run += Int64(count)
        position = offset + Int64(count)
        uses += 1
        chunk.lastUse = uses
        chunk.run = run
        chunk.read = max(chunk.read, position)
        return count
    }

    /// The reader wants a byte that nothing has and nothing waits for: reading in sequence begins anew there, unless it
    /// goes on where an earlier sequence stopped. Returns whether this was a jump.
    mutating func seek(to offset: Int64) -> Bool {
        guard offset != position else { return false }
        let before = chunks.first { $0.end == offset && $0.isComplete }
        run = before?.run ?? 0
        position = offset
        jumps += 1
        return true
    }

    // MARK: Fetching

    /// The next range to fetch, if one is wanted. `wanted` is the byte the reader waits for.
    func next(length: Int64, wanted: Int64?) -> Range<Int64>? {
        let from = wanted ?? position
        let horizon = min(from + ahead, length)
        var cursor = from
        while cursor < horizon, let chunk = chunk(at: cursor) { cursor = chunk.end }
        guard cursor < horizon else { return nil }
        let barrier = chunks.first { $0.start > cursor }?.start ?? length
        return cursor..<min(cursor + chunkSize, barrier, length)
    }

    /// Why a range is fetched, and so what may go for it.
    enum Purpose {
        /// The reader waits for it: everything else may go, what nobody has read yet last.
        case wanted
        /// It will be read soon: what has been read may go.
        case ahead
        /// It comes whether wanted or not: nothing may go.
        case stream
    }

    /// Makes room for a range and adds its chunk; `nil` while there is no room.
    mutating func add(_ range: Range<Int64>, for purpose: Purpose) -> Chunk? {
        let needed = Int64(range.count)
        while allocated + needed > limit {
            guard let victim = victim(for: purpose) else { return nil }
            remove(victim)
        }
        uses += 1
        let sequence = purpose == .wanted ? run : run + max(0, range.lowerBound - position)
        let chunk = Chunk(range, run: sequence, lastUse: uses)
        chunks.insert(chunk, at: chunks.firstIndex { $0.start > range.lowerBound } ?? chunks.endIndex)
        allocated += needed
        return chunk
    }

    private func victim(for purpose: Purpose) -> Chunk? {
        guard purpose != .stream else { return nil }
        let near = position..<position + ahead
        let idle = chunks.filter { !$0.isActive }
        let wasRead = idle.filter { $0.read >= $0.end && !near.overlaps($0.start..<$0.end) }
        if let oldest = wasRead.min(by: { $0.lastUse < $1.lastUse }) { return oldest }
        // Of what was fetched for nothing so far, the newest is the farthest from being needed.
        return purpose == .wanted ? idle.max { $0.lastUse < $1.lastUse } : nil
    }

    /// Gives up the rest of a chunk that no request fills any more; what has come stays.
    mutating func truncate(_ chunk: Chunk) {
        chunk.end = chunk.reached
        if chunk.end == chunk.start { remove(chunk) }
    }

    /// Forgets what was read already, for sources that never go back.
    mutating func dropRead() {
        for chunk in chunks where chunk.end <= position && !chunk.isActive { remove(chunk) }
    }

    /// Forgets everything.
    mutating func clear() {
        chunks = []
        allocated = 0
        position = 0
        run = 0
    }

    private mutating func remove(_ chunk: Chunk) {
        chunks.removeAll { $0 === chunk }
        allocated -= Int64(chunk.memory.count)
    }
}
