/// Notices where a stream's times start over, as in files that were joined end to end. What comes then lies in a time
/// that has been shown: it would be dropped, and half a video would look like a whole one.
struct TimeOrder {
    private var latest = -Double.infinity
    /// How many in a row came too late.
    private var strays = 0

    /// Seconds by which a time may lie behind the latest: as much as may be missing of a source.
    private static let reach = 0.5

    /// Whether what begins at `time` comes in its order.
    mutating func follows(_ time: Double) -> Bool {
        guard time < latest - TimeOrder.reach else {
            latest = max(latest, time)
            strays = 0
            return true
        }
        strays += 1
        return false
    }

    /// The same, but throws `source_corrupt` where it is not a single damaged time.
    ///
    /// - Parameter name: the source's.
    mutating func check(_ time: Double, in name: String) throws -> Bool {
        if follows(time) { return true }
        guard strays > 1 else { return false }
        throw MediaError(
            .sourceCorrupt,
            "the times in \(name) start over, as where files are joined end to end; join them with a video editor")
    }
}
