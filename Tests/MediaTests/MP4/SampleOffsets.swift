@testable import Media

extension SampleTable {
    /// Where each sample begins in the file. Ends early where the chunks hold fewer samples than there are.
    var offsets: [Int64] {
        chunks.flatMap { chunk in
            var offset = chunk.offset
            return (chunk.firstSample..<chunk.firstSample + chunk.sampleCount).map { sample in
                defer { offset &+= Int64(size(of: sample)) }
                return offset
            }
        }
    }
}
