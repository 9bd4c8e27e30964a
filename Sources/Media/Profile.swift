/// The limits a finished file has to keep.
///
/// Numbers are those of Instagram's published tables for reels and stories (IG User Media reference, 2026);
/// megabytes are taken as decimal, the smaller reading.
public struct Profile: Sendable, Equatable {
    /// `reels`, `story` or `any`.
    public let name: String
    /// Shortest duration in seconds; `nil`: no limit.
    let minimumSeconds: Double?
    /// Longest duration in seconds; `nil`: no limit.
    let maximumSeconds: Double?
    /// Largest file in bytes; `nil`: no limit.
    public let maximumBytes: Int64?

    /// Limit of the longer side in pixels.
    let longSide = 1920
    /// Limit of the shorter side in pixels.
    let shortSide = 1080
    /// Lowest frame rate in frames per second.
    let minimumFrameRate = 23.0
    /// Highest frame rate in frames per second.
    let maximumFrameRate = 60.0
    /// Highest average and VBV rate of the video in bits per second.
    let maximumVideoBitrate = 25_000_000
    /// Highest audio sample rate in hertz.
    let maximumSampleRate = 48_000
    /// What the audio encoder is asked for, in bits per second.
    let audioBitrate = 128_000
    /// The highest average rate of sound that is copied, in bits per second.
    let maximumCopiedAudioBitrate = 140_000
    /// Longest distance between key frames of an encoded stream in seconds.
    let keyFrameSeconds = 2.0
    /// Longest distance between key frames of a copied stream in seconds.
    let copiedKeyFrameSeconds = 10.0

    /// Instagram Reels: 3 s to 15 min, 300 MB.
    public static let reels = Profile(
        name: "reels", minimumSeconds: 3, maximumSeconds: 900, maximumBytes: 300_000_000)
    /// Instagram Stories: 3 to 60 s, 100 MB.
    public static let story = Profile(
        name: "story", minimumSeconds: 3, maximumSeconds: 60, maximumBytes: 100_000_000)
    /// The same picture and sound, without a limit on duration and size.
    public static let any = Profile(name: "any", minimumSeconds: nil, maximumSeconds: nil, maximumBytes: nil)

    /// Whether a picture of this size, upright or turned, is within the limits.
    func holds(_ width: Int, _ height: Int) -> Bool {
        max(width, height) <= longSide && min(width, height) <= shortSide
    }

    /// All profiles, in the order they are listed to the user.
    public static let all = [reels, story, any]

    /// Looks a profile up by its name.
    public static func named(_ name: String) -> Profile? { all.first { $0.name == name } }
}
