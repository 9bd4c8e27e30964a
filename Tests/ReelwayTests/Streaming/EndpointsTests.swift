import Testing

@testable import reelway

struct EndpointsTests {
    @Test(arguments: ["https://videos.example/my video.mp4", "https://", "https://a b/video.mp4"])
    func `an address that can't be called is the user's to mend`(input: String) async throws {
        let folder = try TestFolder()
        let result = try await Program.run(
            Program.reelway, ["transcode", input, folder.path + "/out.mp4"], environment: [:])
        #expect(result.status == 64)
        #expect(result.errors.hasPrefix("reelway: usage: ") && result.errors.contains("%20"), "\(result.errors)")
    }
}
