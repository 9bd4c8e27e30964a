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

    /// From when the first sample of the index is shown to when the last has been, in seconds; `nil` where that tells nothing
    /// more than their durations.
    var shown: Double? {
        track.samples.compositionRuns.isEmpty ? nil : seconds(track.samples.shownDuration)
    }

    /// How long the track lasts by its samples or by what it says of itself, whichever is more, in seconds; `nil` where
    /// neither is known. A length that no clip can have isn't.
    var declared: Double? {
        let ticks = fragments?.length ?? track.samples.duration
        // A part of a longer recording keeps the recording's clock.
        let said = track.mediaDuration - min(track.mediaDuration, fragments?.start ?? 0)
        return [ticks, said].compactMap(seconds).max()
    }

    private func seconds(_ ticks: UInt64) -> Double? {
        guard ticks > 0, track.timescale > 0 else { return nil }
        let seconds = Double(ticks) / Double(track.timescale)
        return seconds < Timestamp.longestSeconds ? seconds : nil
    }
}
