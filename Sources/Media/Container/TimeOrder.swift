/// Brings what a stream holds, in the order of its times, past single times that are damaged, and notices where times
/// start over, as in files that were joined end to end. What comes then lies in a time that has been shown: it would be
/// dropped, and half a video would look like a whole one.
struct TimeOrder<Item> {
    /// How many were left out for their times.
    private(set) var dropped = 0
    private var latest = -Double.infinity
    /// What lies far ahead: only what follows tells whether it is there that the stream goes on.
    private var held: [(item: Item, time: Double)] = []
    /// The first time in a row that lies behind.
    private var stray: Double?

    /// Seconds by which a time may lie behind or ahead of the latest without question: as much as may be missing of a
    /// source.
    static var reach: Double { 0.5 }
    /// For how many seconds a stream has to go on elsewhere to be believed; 0: the second item is enough.
    private let patience: Double
    /// So many are held at most, whatever their times: half a second of sound are 24 or 47 frames of AAC.
    private let mostHeld: Int

    /// - Parameter isInGroups: a damaged time moves more than one item, as in MPEG-TS, whose packets hold many frames of
    ///   sound under one time.
    init(isInGroups: Bool = false) {
        patience = isInGroups ? Self.reach : 0
        mostHeld = isInGroups ? 64 : 1
    }

    /// Takes what begins at `time`, and gives what comes next in order.
    ///
    /// - Parameter name: the source's.
    /// - Throws: `source_corrupt` where the stream goes on behind what has been given.
    mutating func take(_ item: Item, at time: Double, in name: String) throws -> [Item] {
        guard time >= latest - Self.reach else {
            dropped += 1
            guard let stray, abs(time - stray) >= patience else {
                stray = stray ?? time
                return []
            }
            throw MediaError(
                .sourceCorrupt,
                "the times in \(name) start over, as where files are joined end to end; join them with a video editor")
        }
        stray = nil
        var ready: [Item] = []
        if let first = held.first {
            if time < first.time - Self.reach {
                dropped += held.count
            } else if held.count < mostHeld, latest.isFinite, time < first.time + patience {
                held.append((item, time))
                return []
            } else {
                ready = held.map(\.item)
                latest = held.reduce(latest) { max($0, $1.time) }
            }
            held = []
        }
        if time > latest + Self.reach {
            held = [(item, time)]
            return ready
        }
        latest = max(latest, time)
        return ready + [item]
    }

    /// What is still held at the end. Nothing that follows tells whether it belongs there, but the container may have
    /// announced an end.
    ///
    /// - Parameter isBeyondEnd: whether what begins at this time lies out of reach of that.
    mutating func finish(isBeyondEnd: (Double) -> Bool) -> [Item] {
        defer { held = [] }
        guard let first = held.first, isBeyondEnd(first.time) else { return held.map(\.item) }
        dropped += held.count
        return []
    }
}
