/// What came of a file so far: counted, hashed and timed.
struct ReceivedBytes {
    /// Every byte that came, as often as it came.
    private(set) var count: Int64 = 0
    /// Which bytes have come.
    private(set) var intervals = IntervalSet()
    private(set) var hash = QuickXorHash()
    /// Seconds during which a request was under way.
    private var seconds = 0.0
    private var requests = 0
    private var busySince = 0.0

    /// Behind the last byte that came, for a file that comes in order.
    var end: Int64 { intervals.ranges.last?.upperBound ?? 0 }

    /// Takes bytes that came; each is hashed the first time.
    mutating func take(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        count += Int64(bytes.count)
        for fresh in intervals.insert(offset..<offset + Int64(bytes.count)) {
            let part = Int(fresh.lowerBound - offset)..<Int(fresh.upperBound - offset)
            hash.update(UnsafeRawBufferPointer(rebasing: bytes[part]), at: fresh.lowerBound)
        }
    }

    /// The file begins anew.
    mutating func restart() {
        intervals = IntervalSet()
        hash = QuickXorHash()
    }

    mutating func beginRequest(now: Double) {
        if requests == 0 { busySince = now }
        requests += 1
    }

    mutating func endRequest(now: Double) {
        requests -= 1
        if requests == 0 { seconds += now - busySince }
    }

    /// Seconds spent on requests up to now; two at once count once.
    func seconds(now: Double) -> Double { seconds + (requests > 0 ? now - busySince : 0) }
}
