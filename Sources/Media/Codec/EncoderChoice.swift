/// x264's preset and rate factor, and what departs from the preset. The measurements are in benchmarks/README.md.
struct EncoderChoice: Sendable, Equatable {
    /// x264's preset.
    var preset: String
    /// x264's constant rate factor: quality, lower is better.
    var crf: Double
    /// Strength of x264's adaptive quantisation; `nil`: the preset's.
    var adaptiveQuantisation: Double?

    /// Where bits are plentiful: as good as `veryfast` at CRF 20 and `medium` at CRF 23 by VMAF on natural clips, in
    /// little more than half and a quarter of their time. B-frames would spare bytes but need an edit list.
    static let plentiful = EncoderChoice(preset: "superfast", crf: 22.8, adaptiveQuantisation: 0.3)
    /// Where the size limit binds: more is found for the same bits.
    static let scarce = EncoderChoice(preset: "veryfast", crf: 20)

    /// Bits for a pixel below which the limit is taken to bind. Natural clips take 0.1 to 0.2 where nothing limits them.
    private static let plenty = 0.15

    /// Decides, and says why.
    ///
    /// - Parameters:
    ///   - limit: highest bits per second.
    ///   - pixelRate: pixels per second.
    static func choose(limit: Int, pixelRate: Double, _ options: Transcode.Options) -> (EncoderChoice, reason: String) {
        let megabits = Double(limit / 100_000) / 10
        let isPlentiful = Double(limit) >= plenty * pixelRate
        var choice = isPlentiful ? plentiful : scarce
        var reason = isPlentiful ? "\(megabits) Mb/s leave room" : "only \(megabits) Mb/s are left by length and size"
        if let preset = options.preset {
            // Another preset is taken as x264 has it.
            choice = EncoderChoice(preset: preset, crf: scarce.crf)
            reason = "asked for"
        }
        if let crf = options.crf {
            choice.crf = crf
            reason = "asked for"
        }
        return (choice, "\(choice.preset) at CRF \(choice.crf): \(reason)")
    }
}
