import Testing

@testable import Media

/// Decisions by table: no file is read.
struct PlanTests {
    private static func info(
        codec: String = "hevc", width: Int = 1920, height: Int = 1080, aspect: Double = 1, turn: Int = 0,
        seconds: Double? = 30, rate: Double = 30, channels: Int = 2, sampleRate: Int = 48000
    ) -> MediaInfo {
        let count = Int((seconds ?? 10) * rate)
        let video = MediaInfo.Video(
            streamIndex: 0, codec: codec, profile: nil, pixelFormat: "yuv420p", width: width, height: height,
            pixelAspect: aspect, orientation: Orientation(clockwiseDegrees: turn, isMirrored: false), color: .bt709,
            statesColor: true, isInterlaced: false, declaredRate: rate, times: (0..<count).map { Double($0) / rate },
            hasAllTimes: true, timeline: .whole(from: 0), end: seconds, samples: nil)
        let audio = MediaInfo.Audio(
            streamIndex: 1, codec: "opus", sampleRate: sampleRate, channels: channels, timeline: .whole(from: 0),
            end: seconds, samples: nil)
        return MediaInfo(
            name: "clip", bytes: nil, container: "mp4", video: video, audio: audio, skipped: [])
    }

    private static func settings(_ info: MediaInfo, _ profile: Profile = .reels) throws -> VideoEncoder.Settings {
        let plan = try Plan(info, profile, Transcode.Options())
        guard case .encode(let settings, _) = plan.video else { throw MediaError(.internal, "copied") }
        return settings
    }

    struct Size: Sendable {
        var width, height: Int
        var aspect = 1.0
        var turn = 0
        var output: [Int]
    }

    @Test(arguments: [
        Size(width: 1920, height: 1080, output: [1920, 1080]),
        Size(width: 3840, height: 2160, output: [1920, 1080]),
        Size(width: 3840, height: 2160, turn: 90, output: [1080, 1920]),
        Size(width: 1440, height: 1440, output: [1080, 1080]), Size(width: 640, height: 360, output: [640, 360]),
        Size(width: 1440, height: 1080, aspect: 4.0 / 3, output: [1920, 1080]),
        Size(width: 321, height: 241, output: [320, 240]), Size(width: 1080, height: 2280, output: [910, 1920]),
        Size(width: 1920, height: 1200, output: [1728, 1080]),
    ])
    func `the picture fits its box by orientation, square, even and never enlarged`(_ size: Size) throws {
        let settings = try Self.settings(
            Self.info(width: size.width, height: size.height, aspect: size.aspect, turn: size.turn))
        #expect([settings.width, settings.height] == size.output)
    }

    private static let rates: [(source: Double, output: Double)] = [
        (29.97, 30000.0 / 1001), (30, 30), (25, 25), (23.976, 24000.0 / 1001), (59.94, 60000.0 / 1001), (60, 60),
        (120, 60), (240, 60), (119.88, 60000.0 / 1001), (90, 45), (100, 50), (15, 30), (12.5, 25), (10, 30), (5, 25),
        (1, 24), (20, 40), (7, 28), (48, 48),
    ]

    @Test func `a rate in range is kept and snapped, others become the nearest multiple or divisor`() {
        for (source, output) in Self.rates {
            #expect(abs(FrameRate.output(for: source).value - output) < 0.001, "\(source)")
        }
    }

    @Test func `a rate that most distances keep stays, whatever the seams`() {
        // 30 a second, moved by a third of a frame every five seconds, as joined recordings are.
        let joined = (0..<900).map { Double($0) / 30 + Double($0 / 150) / 90 }
        #expect(FrameRate.choose(times: joined, declared: 29.9).rate == Rational(30, 1))
        // A phone that left out every tenth picture.
        let dropped = (0..<900).filter { $0 % 10 != 5 }.map { Double($0) / 30 }
        #expect(FrameRate.choose(times: dropped, declared: 27).rate == Rational(30, 1))
        // Pictures at any time: the finest grid.
        var random = SystemRandomNumberGenerator()
        var time = 0.0
        let loose = (0..<600).map { _ in
            time += Double.random(in: 0.02...0.09, using: &random)
            return time
        }
        #expect(FrameRate.choose(times: loose, declared: 18).rate == Rational(60, 1))
    }

    @Test(arguments: [3, 30, 90, 100, 300, 600, 900] as [Double])
    func `the bitrate's ceiling keeps the size of any length`(seconds: Double) throws {
        let settings = try Self.settings(Self.info(seconds: seconds, rate: 24))
        #expect(settings.maximumBitrate <= 25_000_000)
        let most = Double(settings.maximumBitrate) * (seconds + settings.bufferSeconds) + 140_000 * seconds
        #expect(most / 8 <= 300_000_000 * 0.97)
        #expect(Double(settings.maximumBitrate) * (seconds + settings.bufferSeconds) / seconds <= 25_000_001)
        // And doesn't give away what is allowed: at 15 min more than 2 Mb/s are left.
        #expect(settings.maximumBitrate > 2_000_000)
    }

    @Test func `a length outside the profile is refused before anything is decoded`() throws {
        func code(_ seconds: Double, _ profile: Profile) -> MediaError.Code? {
            do {
                _ = try Plan(Self.info(seconds: seconds, rate: 1), profile, Transcode.Options())
                return nil
            } catch { return (error as? MediaError)?.code }
        }
        #expect(code(2.9, .reels) == .tooShort)
        #expect(code(3, .reels) == nil)
        #expect(code(900, .reels) == nil)
        #expect(code(901, .reels) == .tooLong)
        #expect(code(61, .story) == .tooLong)
        #expect(code(3600, .any) == nil)
    }

    private static let sounds: [(rate: Int, channels: Int, output: [Int])] = [
        (8000, 1, [48000, 1]), (11025, 2, [44100, 2]), (44100, 2, [44100, 2]), (96000, 6, [48000, 2]),
        (88200, 8, [44100, 2]), (32000, 1, [48000, 1]),
    ]

    @Test func `sound becomes at most stereo at 44.1 or 48 kHz`() throws {
        for (rate, channels, output) in Self.sounds {
            let plan = try Plan(Self.info(channels: channels, sampleRate: rate), .reels, Transcode.Options())
            guard case .encode(let outputRate, let outputChannels) = plan.audio else {
                Issue.record("\(plan.audio)")
                continue
            }
            #expect([outputRate, outputChannels] == output)
        }
    }

    private static let lengths: [(seconds: Double, rate: Double, preset: String)] = [
        (3, 30, "superfast"), (60, 30, "superfast"), (230, 30, "superfast"), (270, 30, "veryfast"),
        (900, 30, "veryfast"), (60, 60, "superfast"), (180, 60, "veryfast"),
    ]

    @Test func `the encoder is quick where bits are plentiful and thorough where the size limit binds`() throws {
        for (seconds, rate, preset) in Self.lengths {
            let choice = try Self.settings(Self.info(seconds: seconds, rate: rate)).choice
            #expect(choice.preset == preset, "\(seconds) s at \(rate)")
        }
    }

    @Test func `what the user asks of the encoder is what x264 gets`() throws {
        var options = Transcode.Options()
        options.preset = "medium"
        options.crf = 23
        let plan = try Plan(Self.info(), .reels, options)
        guard case .encode(let settings, _) = plan.video else { throw MediaError(.internal, "copied") }
        #expect(settings.choice == EncoderChoice(preset: "medium", crf: 23))
        #expect(plan.videoReasons.last == "medium at CRF 23.0: asked for")
    }

    @Test func `every choice has a reason`() throws {
        let plan = try Plan(Self.info(), .reels, Transcode.Options())
        #expect(plan.videoReasons == ["hevc is not H.264", "superfast at CRF 22.8: 24.1 Mb/s leave room"])
        #expect(plan.audioReasons == ["opus is not AAC"])
    }
}
