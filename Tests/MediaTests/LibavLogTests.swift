import CFFmpeg
import Testing

@testable import Media

struct LibavLogTests {
    @Test func `want of memory is nobody's fault, whatever libav was doing; anything else is what was said`() {
        #expect(MediaError(.sourceCorrupt, "it can't be opened", libav: REELWAY_ENOMEM) == .outOfMemory)
        let other = MediaError(.sourceCorrupt, "it can't be opened", libav: reelway_averror(EINVAL))
        #expect(other.code == .sourceCorrupt)
        #expect(other.message.hasPrefix("it can't be opened: Invalid argument"))
    }
}
