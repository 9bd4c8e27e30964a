import Testing

@testable import Media

/// Damaged bytes are read without a trap, without much time and without much memory.
struct MutationTests {
    /// A generator that gives the same numbers in every run. SplitMix64.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }
    }

    /// Flips, overwrites with telling values, cuts and doubles.
    private func mutate(_ bytes: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var copy = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where copy.count > 4 {
            let place = Int.random(in: 0..<copy.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: copy[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: copy[place] = UInt8.random(in: 0...255, using: &random)
            case 2:
                let word: [UInt8] =
                    [[255, 255, 255, 255], [0, 0, 0, 0], [127, 255, 255, 255], [128, 0, 0, 0], [0, 0, 0, 1]]
                    .randomElement(using: &random) ?? []
                let end = min(copy.count, place + 4)
                copy.replaceSubrange(place..<end, with: word.prefix(end - place))
            case 3: copy.removeSubrange(place..<min(copy.count, place + Int.random(in: 1...8, using: &random)))
            case 4: copy.insert(contentsOf: copy[place..<min(copy.count, place + 8)], at: place)
            default: if Int.random(in: 0..<8, using: &random) == 0 { copy.removeLast(copy.count - place) }
            }
        }
        return copy
    }

    private func clip() throws -> [UInt8] {
        try MovieClips.make(
            [
                "-f", "lavfi", "-i", "testsrc2=s=64x64:r=30:d=0.3", "-f", "lavfi", "-i", "sine=r=48000:d=0.3",
                "-metadata", "location=+48.1+011.5/", "-movflags", "+faststart", "-bf", "2", "-c:v", "libx264",
                "-pix_fmt", "yuv420p", "-c:a", "aac",
            ])
    }

    @Test func `20,000 damaged movie boxes, parameter sets and audio configurations trap nothing`() throws {
        let bytes = try clip()
        let layout = try MovieClips.layout(bytes)
        let moov = try #require(layout.moov)
        let track = try #require(Movie(moov)?.tracks.first)
        let avcC = try #require(track.avcC)
        let sps = try #require(AVCConfiguration(avcC)?.spsList.first)
        var random = Seeded(state: 1)
        var readable = 0
        let elapsed = ContinuousClock().measure {
            for _ in 0..<6_000 {
                guard let movie = Movie(mutate(moov, &random)) else { continue }
                readable += 1
                let violations = Conformance.check(
                    layout: layout, movie: movie, fileBytes: Int64(bytes.count), profile: .reels,
                    copiedVideo: readable % 2 == 0, copiedAudio: false)
                #expect(!violations.isEmpty)
                for track in movie.tracks { exercise(track) }
            }
            for _ in 0..<2_000 { _ = AVCConfiguration(mutate(avcC, &random)) }
            for _ in 0..<6_000 { _ = SequenceParameterSet(mutate(sps, &random)) }
            for _ in 0..<6_000 {
                _ = AudioSpecificConfig(mutate([0x11, 0x90, 0x56, 0xE5, 0xA5, 0x48, 0x80, 0x01, 0x02, 0x03], &random))
            }
        }
        print("mutations took \(elapsed), \(readable) movies were readable")
        #expect(readable > 3_000)
        #expect(elapsed < .seconds(30))
    }

    @Test func `2,000 damaged files are laid out and judged without a trap`() throws {
        let bytes = try clip()
        var random = Seeded(state: 2)
        for round in 0..<2_000 {
            // The head is where boxes are; media bytes carry none.
            let head = mutate(Array(bytes.prefix(3_000)), &random)
            let source = BytesSource(
                head + bytes.dropFirst(3_000), isSeekable: round % 4 != 0, knowsLength: round % 2 == 0)
            do {
                let verdict = try Conformance.judge(source, profile: .reels)
                #expect(!verdict.ready)
            } catch let error as MediaError {
                #expect(error.code == .sourceCorrupt)
            }
        }
    }

    /// Touches everything a track answers; walks its samples only where it is as large as the clip could be.
    private func exercise(_ track: Track) {
        _ = (track.seconds, track.rotation, track.samples.duration, track.samples.totalBytes)
        _ = track.samples.maximumEnd
        guard track.samples.count < 10_000 else { return }
        var sum: Int64 = 0
        for time in track.samples.presentationTimes { sum &+= time }
        for chunk in track.samples.chunks { sum &+= chunk.end }
        for index in track.samples.syncSamples ?? [] { sum &+= Int64(track.samples.size(of: index)) }
        _ = sum
    }
}
