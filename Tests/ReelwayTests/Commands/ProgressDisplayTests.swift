import Testing

@testable import Media
@testable import reelway

struct ProgressDisplayTests {
    @Test(arguments: [9e18, 1e300, .infinity, .nan])
    func `a time left that no clip takes can be shown`(seconds: Double) {
        let progress = Media.Progress(
            stage: .transcoding, progress: 0.1, etaSeconds: seconds, speed: 1e-9, bytesIn: 1, bytesOut: 1)
        ProgressDisplay(.plain, reportIsOnStandardOutput: false).show(progress)
    }
}
