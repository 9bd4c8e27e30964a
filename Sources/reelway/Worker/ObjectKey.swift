import Crypto

/// Where a video's result lies in the store: `{videoId}/{12 hex}.mp4` (CONTRACT section 5).
enum ObjectKey {
    /// The same for the same source and profile, so that a repeated job writes the same object; another where the
    /// source has changed.
    static func make(videoID: String, sourceIdentity: String, profile: String) -> String {
        let digest = SHA256.hash(data: Array("\(sourceIdentity)\n\(profile)".utf8))
        let hex = digest.prefix(6).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "\(videoID)/\(hex).mp4"
    }
}
