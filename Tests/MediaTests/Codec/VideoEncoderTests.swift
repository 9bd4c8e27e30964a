import Testing

@testable import Media

struct VideoEncoderTests {
    private static func refusal(_ choice: EncoderChoice, width: Int) -> MediaError.Code? {
        let settings = VideoEncoder.Settings(
            width: width, height: 64, frameRate: Rational(30, 1), choice: choice, maximumBitrate: 1_000_000,
            bufferSeconds: 1, keyFrameInterval: 60)
        do {
            _ = try VideoEncoder(settings, threads: 1)
            return nil
        } catch { return (error as? MediaError)?.code }
    }

    @Test func `x264's refusal is the user's mistake only where the user chose`() {
        #expect(Self.refusal(.plentiful, width: 64) == nil)
        #expect(Self.refusal(.plentiful, width: 40_000) == .internal)
        #expect(Self.refusal(EncoderChoice(preset: "slow", crf: 20), width: 40_000) == .usage)
        #expect(Self.refusal(EncoderChoice(preset: "nonesuch", crf: 20), width: 64) == .usage)
    }
}
