/// Which bytes of a file have been seen.
struct IntervalSet {
    /// In order, none touching the next.
    private(set) var ranges: [Range<Int64>] = []

    /// Adds a range and returns the parts of it that are new.
    mutating func insert(_ range: Range<Int64>) -> [Range<Int64>] {
        guard !range.isEmpty else { return [] }
        let first = ranges.firstIndex { $0.upperBound >= range.lowerBound } ?? ranges.endIndex
        var last = first
        var fresh: [Range<Int64>] = []
        var cursor = range.lowerBound
        while last < ranges.endIndex, ranges[last].lowerBound <= range.upperBound {
            if cursor < ranges[last].lowerBound {
                fresh.append(cursor..<min(ranges[last].lowerBound, range.upperBound))
            }
            cursor = max(cursor, ranges[last].upperBound)
            last += 1
        }
        if cursor < range.upperBound { fresh.append(cursor..<range.upperBound) }
        let touched = ranges[first..<last]
        let lower = min(range.lowerBound, touched.first?.lowerBound ?? range.lowerBound)
        let upper = max(range.upperBound, touched.last?.upperBound ?? range.upperBound)
        ranges.replaceSubrange(first..<last, with: [lower..<upper])
        return fresh
    }

    /// What is missing below a length.
    func gaps(below length: Int64) -> [Range<Int64>] {
        var gaps: [Range<Int64>] = []
        var cursor: Int64 = 0
        for range in ranges where cursor < length {
            if cursor < range.lowerBound { gaps.append(cursor..<min(range.lowerBound, length)) }
            cursor = range.upperBound
        }
        if cursor < length { gaps.append(cursor..<length) }
        return gaps
    }
}
