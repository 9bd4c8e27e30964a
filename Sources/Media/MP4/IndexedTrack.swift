/// A track of an MP4 with what its fragments add to it.
struct IndexedTrack {
    let track: Track
    /// `nil` where the fragments couldn't be looked through.
    let fragments: FragmentCheck.Extent?

    init?(_ track: Track?, _ fragments: [UInt32: FragmentCheck.Extent]) {
        guard let track else { return nil }
        self.track = track
        self.fragments = fragments[track.id]
    }

    /// Samples in the index and in the fragments that are known.
    var samples: Int { fragments?.samples ?? track.samples.count }

    /// From the first sample to the end of the last; `nil` where they aren't known.
    var seconds: Double? {
        let ticks = fragments?.length ?? track.samples.duration
        return ticks > 0 && track.timescale > 0 ? Double(ticks) / Double(track.timescale) : nil
    }
}
