import Testing

@testable import reelway

struct TextTests {
    @Test func `one thing is told in the singular`() {
        #expect([0, 1, 2].map { Text.count($0, of: "video") } == ["0 videos", "1 video", "2 videos"])
    }
}
