/// What a video is, what breaks the profile as it stands, and what a transcode would do; nothing is written.
public struct Inspection: Codable, Sendable {
    /// Reelway's version.
    public var reelway = Reelway.version
    /// The source.
    public var input: Report.Input?
    /// What would be done, unless the video can't be used.
    public var plan: Report.PlanSummary?
    /// The verdict on the source as it stands; `nil` where it is no MP4 or can't be read twice.
    public var conformance: Report.ConformanceVerdict?
    /// Why there can be no output, e.g. `too_long`.
    public var error: Report.Failure?

    /// Looks into `source`. Throws where it is no video at all.
    public init(
        _ source: any ByteSource, options: Transcode.Options, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws {
        // Each thread of a decoder wants a packet before the first picture comes, and a remote source is read for it.
        let probe = try Probe(source, threads: 1, isCancelled: isCancelled)
        if (try? Plan.checkDuration(probe.info, options.profile)) != nil {
            try probe.listPackets(options, isCancelled: isCancelled)
        }
        var report = Report()
        report.describe(probe.info)
        do {
            report.describe(try Plan(probe.info, options.profile, options))
        } catch let refusal as MediaError {
            error = Report.Failure(refusal)
        }
        input = report.input
        plan = report.plan
        if source.isSeekable, probe.info.container == "mp4" {
            // A stream that would be copied is judged by the rules for copies.
            conformance = try Conformance.judge(
                source, profile: options.profile, copiedVideo: true, copiedAudio: true)
        }
    }
}
