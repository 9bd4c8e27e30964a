import Foundation
import Testing

@testable import Media

struct CodecConfigurationTests {
    private func set(_ options: [String], size: String = "320x240") throws -> SequenceParameterSet {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=\(size):r=30:d=0.2", "-c:v", "libx264", "-preset", "veryfast"] + options)
        let track = try #require(try MovieClips.movie(bytes).tracks.first)
        let avcC = try #require(track.avcC)
        let record = try #require(AVCConfiguration(avcC))
        #expect(record.nalLengthSize == 4)
        #expect(record.ppsList.count == 1)
        let sps = try #require(record.spsList.first)
        return try #require(SequenceParameterSet(sps))
    }

    @Test func `a sequence parameter set tells profile, size and depth`() throws {
        let plain = try set(["-pix_fmt", "yuv420p", "-level", "3.1", "-bf", "2", "-refs", "3"])
        #expect(plain.profile == 100 && plain.level == 31 && plain.is8Bit420 && plain.isFrameOnly)
        #expect(plain.width == 320 && plain.height == 240 && plain.codedHeight == 240)
        #expect(plain.maximumReferenceFrames >= 2)
        #expect(plain.usability?.maximumReorderedFrames == 2 || plain.usability?.maximumReorderedFrames == 1)
        let cropped = try set(["-pix_fmt", "yuv420p"], size: "322x246")
        #expect((cropped.width, cropped.height) == (322, 246))
        #expect((cropped.codedWidth, cropped.codedHeight) == (336, 256))
        let fields = try set(["-pix_fmt", "yuv420p", "-flags", "+ildct+ilme"], size: "320x1080")
        #expect(!fields.isFrameOnly && fields.height == 1080 && fields.codedHeight == 1088)
        let deep = try set(["-pix_fmt", "yuv422p10le"], size: "320x246")
        #expect(deep.profile == 122 && deep.chromaFormat == 2 && deep.lumaBitDepth == 10 && deep.chromaBitDepth == 10)
        #expect(deep.height == 246)
        let full = try set(["-pix_fmt", "yuv444p", "-vf", "scale=321:241"])
        #expect(full.chromaFormat == 3 && full.width == 321 && full.height == 241)
        let baseline = try set(["-pix_fmt", "yuv420p", "-profile:v", "baseline"])
        #expect(baseline.profile == 66 && baseline.constraints & 0x40 != 0)
    }

    @Test func `scaling lists and a buffer model are passed over to what follows`() throws {
        let set = try set([
            "-pix_fmt", "yuv420p", "-x264-params",
            "force-cfr=1:cqm=jvt:nal-hrd=vbr:vbv-maxrate=1000:vbv-bufsize=2000:colorprim=bt709:transfer=bt709:colormatrix=bt709:"
                + "range=tv:sar=4/3",
        ])
        let usability = try #require(set.usability)
        #expect(usability.primaries == 1 && usability.transfer == 1 && usability.matrix == 1)
        #expect(usability.isFullRange == false)
        #expect(usability.pixelAspect == Rational(4, 3))
        let timing = try #require(usability.timing)
        #expect(Double(timing.timeScale) / Double(timing.unitsInTick) / 2 == 30 && timing.isFixedRate)
        // Stands behind the buffer model.
        #expect(usability.maximumReorderedFrames == 2)
    }

    @Test func `parameter sets and records that are cut short or of another kind are refused`() throws {
        let track = try #require(try MovieClips.movie(MovieClips.conforming.get()).tracks.first)
        let avcC = try #require(track.avcC)
        let sps = try #require(AVCConfiguration(avcC)?.spsList.first)
        for count in 0..<sps.count - 1 { #expect(SequenceParameterSet(Array(sps.prefix(count))) == nil) }
        // A record may hold more behind what is read: High profile's depths and extensions.
        for count in 0..<avcC.count - 4 { #expect(AVCConfiguration(Array(avcC.prefix(count))) == nil) }
        #expect(SequenceParameterSet([0x68] + sps.dropFirst()) == nil)
        #expect(SequenceParameterSet([]) == nil)
        #expect(SequenceParameterSet([0x67] + [UInt8](repeating: 0, count: 40)) == nil)
    }

    @Test func `exp-Golomb codes up to the largest are read`() {
        var reader = BitReader([0b1010_0110, 0b0100_0010, 0b1000_0000])
        #expect((0..<5).map { _ in reader.exponentialGolomb() } == [0, 1, 2, 3, 4])
        var signed = BitReader([0b1010_0110, 0b0100_0010, 0b1000_0000])
        #expect((0..<5).map { _ in signed.signedExponentialGolomb() } == [0, 1, -1, 2, -2])
        var largest = BitReader([0, 0, 0, 1, 255, 255, 255, 255])
        #expect(largest.exponentialGolomb() == UInt32.max - 1)
        var endless = BitReader([0, 0, 0, 0, 0, 0])
        #expect(endless.exponentialGolomb() == nil)
        #expect(BitReader(unescaping: [0, 0, 3, 1, 0, 0, 3]).remaining == 40)
    }

    @Test func `an audio configuration tells object type, rate and channels`() throws {
        let stereo = try #require(AudioSpecificConfig([0x11, 0x90]))
        #expect(stereo.isLowComplexity && stereo.sampleRate == 48000 && stereo.channelCount == 2)
        #expect(stereo.samplesPerPacket == 1024)
        let explicitRate = try #require(AudioSpecificConfig([0x17, 0x80, 0x5D, 0xC0, 0x10]))
        #expect(explicitRate.sampleRate == 48000 && explicitRate.channelCount == 2)
        let short = try #require(AudioSpecificConfig([0x11, 0x94]))
        #expect(short.samplesPerPacket == 960)
        let surround = try #require(AudioSpecificConfig([0x11, 0xB0]))
        #expect(surround.channelCount == 6)
        let implied = try #require(AudioSpecificConfig([0x13, 0x90, 0x56, 0xE5, 0xA5, 0x48, 0x80]))
        #expect(implied.objectType == 2 && implied.hasBandReplication && implied.hasParametricStereo)
        #expect(!implied.isLowComplexity)
        let explicit = try #require(AudioSpecificConfig([0x2B, 0x92, 0x08, 0x00]))
        #expect(explicit.objectType == 2 && explicit.hasBandReplication && !explicit.isLowComplexity)
        let escaped = try #require(AudioSpecificConfig([0xF9, 0x46, 0x40, 0x00]))
        #expect(escaped.objectType == 42 && !escaped.isLowComplexity)
        for bytes in [[], [0x11], [0x17, 0x80], [0x16, 0x90]] as [[UInt8]] {
            #expect(AudioSpecificConfig(bytes) == nil)
        }
    }

    @Test func `a program configuration counts its channels`() throws {
        // libavcodec describes layouts that no configuration names this way: here 2.1.
        let bytes = try MovieClips.make([
            "-f", "lavfi", "-i", "anullsrc=channel_layout=2.1:sample_rate=48000:duration=0.2", "-c:a", "aac",
            "-aac_pce", "1",
        ])
        let config = try #require(try MovieClips.movie(bytes).tracks.first?.audioSpecificConfig)
        let read = try #require(AudioSpecificConfig(config))
        #expect(read.channelConfiguration == 0 && read.channelCount == 3 && read.isLowComplexity)
    }
}
