import Testing

/// Clips on which the engine doesn't yet do what the contract asks. Each is run and its failure recorded as known: it
/// is not hidden, and a clip that has been mended is taken off this list.
enum KnownGaps {
    /// Runs `body`; where `key` is listed, its failures are known issues.
    static func allow(_ key: String, _ body: () throws -> Void) throws {
        guard let reason = reasons[key] else { return try body() }
        withKnownIssue("\(reason)", isIntermittent: true) { try body() }
    }

    private static let reasons = [
        "cut container.flv": "a cut FLV is called too short instead of truncated",
        "bad-damaged-a-third-of-frames.mp4": "a copy doesn't decode, so damage inside slices passes",
    ]
}
