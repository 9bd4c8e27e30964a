import Crypto
import Transfer

/// Where a video's result lies in the store: `{videoId}/{12 hex}.mp4`.
enum ObjectKey {
    /// The same for the same source and profile, so that a repeated job writes the same object; another where the
    /// source has changed.
    static func make(videoID: String, sourceIdentity: String, profile: String) -> String {
        let digest = SHA256.hash(data: Array("\(sourceIdentity)\n\(profile)".utf8))
        return "\(videoID)/\(Hexadecimal.string(digest.prefix(6))).mp4"
    }
}
