import Testing

@testable import reelway

struct CapacityTests {
    @Test(arguments: [
        (1, Int64(8) << 30, 2), (2, Int64(24) << 30, 2), (8, Int64(24) << 30, 4), (64, Int64(16) << 30, 18),
        (8, Int64(512) << 20, 1), (8, Int64(2) << 30, 2),
    ])
    func `cores and memory bound the videos at once`(cores: Int, memory: Int64, videos: Int) {
        #expect(Capacity.videosAtOnce(cores: cores, memory: memory) == videos)
    }

    @Test func `unknown memory leaves the cores to decide`() {
        #expect(Capacity.videosAtOnce(cores: 16, memory: nil) == 8)
    }
}
