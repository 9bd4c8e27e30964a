import Testing

@testable import Media

struct TimelineTests {
    /// Stretches in order, some of no length, some without a gap between them; in 1/1024 s, so that sums are exact.
    private static func segments(_ count: Int, _ random: inout SystemRandomNumberGenerator) -> [Timeline.Segment] {
        var (media, presentation) = (0.0, 0.0)
        return (0..<count).map { _ in
            func some() -> Double { Double(Int.random(in: 1...2048, using: &random)) / 1024 }
            media += Int.random(in: 0...2, using: &random) == 0 ? some() : 0
            let length = Bool.random(using: &random) ? some() : 0
            defer { (media, presentation) = (media + length, presentation + length) }
            return Timeline.Segment(mediaStart: media, mediaEnd: media + length, presentationStart: presentation)
        }
    }

    @Test func `what shows a time is the first segment that ends behind it, however many there are`() throws {
        var random = SystemRandomNumberGenerator()
        for round in 0..<200 {
            var segments = Self.segments(1 + round % 40, &random)
            if round % 3 == 0 { segments[segments.count - 1].mediaEnd = .infinity }
            // Two that overlap by less than a microsecond are taken for neighbours.
            if round % 5 == 0, segments.count > 1 { segments[1].mediaStart -= 9e-7 }
            let timeline = try #require(Timeline(edits: segments))
            let last = segments[segments.count - 1].mediaStart
            let times = (0..<100).map { _ in Double.random(in: -1...(last + 3), using: &random) }
            for time in times + segments.map(\.mediaEnd) + segments.map(\.mediaStart) {
                let first = segments.first { time < $0.mediaEnd - 1e-6 }
                #expect(
                    timeline.presentation(of: time) == first.map { $0.presentationStart + max(0, time - $0.mediaStart) }
                )
                let heard = segments.compactMap { segment -> Timeline.Part? in
                    let start = max(time, segment.mediaStart)
                    let end = min(time + 0.5, segment.mediaEnd)
                    guard end - start > 1e-6 else { return nil }
                    return Timeline.Part(
                        presentation: segment.presentationStart + (start - segment.mediaStart), offset: start - time,
                        duration: end - start)
                }
                #expect(timeline.parts(of: time, duration: 0.5) == heard)
            }
        }
    }

    @Test func `ten thousand edits take a picture no longer than a few`() throws {
        let segments = (0..<10_000).map {
            Timeline.Segment(mediaStart: Double($0), mediaEnd: Double($0 + 1), presentationStart: Double($0))
        }
        let timeline = try #require(Timeline(edits: segments))
        let begun = ContinuousClock.now
        var sum = 0.0
        for index in 0..<20_000 {
            sum += timeline.presentation(of: Double(index) / 2) ?? 0
            sum += Double(timeline.parts(of: Double(index) / 2, duration: 0.5).count)
        }
        #expect(sum > 0)
        #expect(ContinuousClock.now - begun < .seconds(1))
    }

    @Test func `an edit of media that isn't there shows nothing`() throws {
        func timeline(_ edits: [Track.Edit]) throws -> Timeline? {
            var track = try #require(try MovieClips.movie(Fixture.bytes("sync-b-frames.mp4")).tracks.first)
            track.edits = edits
            return Timeline(track, movieTimescale: 1000)
        }
        let real = Track.Edit(segmentDuration: 2000, mediaTime: 1024, rate: 1)
        let beyond = Track.Edit(segmentDuration: 4000, mediaTime: 9_999_999, rate: 1)
        #expect(try timeline([beyond]) == nil)
        let late = try #require(try timeline([beyond, real]))
        #expect(late.start(mediaStart: 0) == 4)
        #expect(try timeline([real, beyond])?.end == 2)
    }
}
