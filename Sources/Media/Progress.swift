/// How far a transcode is. Fractions and byte counts never go back.
public struct Progress: Sendable, Codable, Equatable {
    /// What a transcode is busy with.
    public enum Stage: String, Sendable, Codable {
        case probing, downloading, transcoding, uploading, verifying
    }

    /// What is being done.
    public var stage: Stage
    /// From 0 to 1.
    public var progress: Double
    /// Seconds left, where they can be told.
    @Nullable public var etaSeconds: Double?
    /// Seconds of video done in a second.
    public var speed: Double
    /// Bytes read from the source.
    public var bytesIn: Int64
    /// Bytes of the result so far.
    public var bytesOut: Int64

    /// The same, and nowhere behind an earlier one: also where the work was begun again.
    public func notBehind(_ earlier: Progress?) -> Progress {
        guard let earlier else { return self }
        var ahead = self
        ahead.progress = max(progress, earlier.progress)
        ahead.bytesIn = max(bytesIn, earlier.bytesIn)
        ahead.bytesOut = max(bytesOut, earlier.bytesOut)
        return ahead
    }
}
