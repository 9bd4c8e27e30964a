import CFFmpeg
import Testing

@testable import Media

struct DemuxerTests {
    @Test(
        arguments: [
            "copy-baseline-profile.mp4", "copy-main-profile.mp4", "copy-1080p30-44.1k-b-frames.mp4",
            "nocopy-full-range.mp4", "nocopy-high10.mp4", "patches-444.mp4", "patches-bt709-full-range.mp4",
            "bad-damaged-30-percent.mp4", "interlaced-tff.mp4", "sar-4-3.mp4", "nocopy-hevc.mp4",
        ])
    func `an indexed movie's pictures are announced as libavformat finds them by decoding`(fixture: String) throws {
        let announced = try demuxer(fixture, isIndexed: true)
        let decoded = try demuxer(fixture, isIndexed: false)
        let parameters = try #require(video(announced)).parameters
        let expected = try #require(video(decoded)).parameters
        #expect(parameters.format == expected.format)
        #expect(parameters.profile == expected.profile)
        #expect(parameters.level == expected.level)
        #expect(parameters.width == expected.width && parameters.height == expected.height)
        #expect(parameters.field_order == expected.field_order)
        #expect(parameters.video_delay == expected.video_delay)
    }

    @Test func `an indexed movie's first picture is left to the first look to decode`() throws {
        // The decoder of H.264 fills it in with the first slice, and nothing else does.
        let name = "copy-1080p30-44.1k-b-frames.mp4"
        let announced = try demuxer(name, isIndexed: true)
        let decoded = try demuxer(name, isIndexed: false)
        #expect(try #require(video(announced)).parameters.chroma_location == AVCHROMA_LOC_UNSPECIFIED)
        #expect(try #require(video(decoded)).parameters.chroma_location == AVCHROMA_LOC_LEFT)
    }

    private func demuxer(_ fixture: String, isIndexed: Bool) throws -> Demuxer {
        try Demuxer(
            FileSource(path: Fixture.path(fixture)), isCheckedMovie: true, ignoringEditLists: isIndexed,
            isCancelled: { false })
    }

    private func video(_ demuxer: Demuxer) -> Media.Stream? { demuxer.streams.first { $0.kind == .video } }
}
