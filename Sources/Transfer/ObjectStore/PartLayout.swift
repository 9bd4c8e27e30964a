/// How the bytes of an object are cut into the parts of a multipart upload, when neither the length of the object
/// nor its first bytes are known while the rest already leaves.
///
/// ```
/// object   │ head │ body ……………………………………………………… │
/// parts    │  1   │   2   │   3   │  …  │ N │          1 sent last; all but N at least 5 MiB
/// ```
public struct PartLayout: Sendable, Equatable {
    /// S3's smallest part that isn't the last: 5 MiB.
    public static let smallestPart = 5 << 20
    /// S3's largest part: 5 GiB.
    static let largestPart = 5 << 30
    /// S3's most parts of one object.
    static let mostParts = 10_000

    /// Bytes of body after the last whole part. The last MiB comes at once, as the encoder lets go of what it held back;
    /// while it makes the one before, a link of five times its pace takes a part.
    private static let tail = 2 << 20

    private let partBytes: Int
    private let areEqual: Bool

    /// - Parameters:
    ///   - partBytes: size of the parts 2 and on, but for the first few; below 5 MiB it is 5 MiB.
    ///   - headLength: size of part 1.
    ///   - areEqual: all parts are as long as the head, for stores that take nothing else (Cloudflare R2).
    init(partBytes: Int, headLength: Int, areEqual: Bool = false) {
        self.partBytes = min(
            max(areEqual ? headLength : partBytes, PartLayout.smallestPart), PartLayout.largestPart)
        self.areEqual = areEqual
    }

    /// Size of part `number` (2 and on) where about `bodyLeft` bytes of body come from its beginning on; `nil`: nobody
    /// knows, and beyond the most parts an object may have there is none.
    ///
    /// What isn't through when the body ends is waited for. So the last whole part is as short as it may be and ends a
    /// little before the body does; one or two in front of it take up the difference. None gets longer by it than planned:
    /// a slow link would be without work meanwhile.
    func bytes(ofPart number: Int, bodyLeft: Int64?) -> Int? {
        guard let planned = bytes(ofPart: number) else { return nil }
        guard !areEqual, let bodyLeft else { return planned }
        let smallest = PartLayout.smallestPart
        let whole = Int(clamping: bodyLeft) - PartLayout.tail
        let inFront = whole - smallest
        if inFront <= planned { return max(inFront, smallest) }
        return inFront >= 2 * smallest && inFront <= 2 * planned ? inFront / 2 : planned
    }

    /// Size of part `number` (2 and on) unless it is the last; `nil` beyond the most parts an object may have.
    ///
    /// The upload begins with the first part that is whole: part 2 is as short as it may be, and each is a quarter longer
    /// than the one before until they have their size. So a link that is busy sending one finds the next one whole, unless
    /// the bytes come much slower than they leave.
    ///
    /// Their size doubles every thousand parts, so that an object of any length S3 takes (5 TiB) fits: at 8 MiB the first
    /// thousand hold 8 GiB, all ten thousand 8 TiB.
    func bytes(ofPart number: Int) -> Int? {
        guard (2...PartLayout.mostParts).contains(number) else { return nil }
        if areEqual { return partBytes }
        let full = min(partBytes << ((number - 2) / 1000), PartLayout.largestPart)
        var size = PartLayout.smallestPart
        var shorter = 2
        while size < full, shorter < number {
            size += size / 4
            shorter += 1
        }
        return min(size, full)
    }
}
