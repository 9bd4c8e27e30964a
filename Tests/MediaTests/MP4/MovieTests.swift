import Foundation
import Testing

@testable import Media

struct MovieTests {
    @Test func `a movie box tells durations, sizes, codecs and sound`() throws {
        let movie = try MovieClips.movie(MovieClips.conforming.get())
        #expect(movie.timescale == 1000 && abs(Int(movie.duration) - 4000) < 40)
        #expect(!movie.isFragmented && movie.metadata == [])
        #expect(movie.tracks.map(\.handler) == ["vide", "soun"])
        #expect(movie.tracks.map(\.id) == [1, 2])
        let video = movie.tracks[0]
        #expect(video.rotation == 0 && video.hasIdentityMatrix && !video.hasEditList)
        #expect(video.width == 320 && video.height == 240)
        #expect(video.sampleEntry == "avc1" && video.sampleEntryWidth == 320 && video.sampleEntryHeight == 240)
        #expect(video.seconds == 4 && video.samples.count == 120 && video.samples.isPlausible)
        #expect(video.samples.syncSamples == [0, 48, 96])
        #expect(video.pixelAspect == Rational(1, 1))
        let audio = movie.tracks[1]
        #expect(audio.sampleEntry == "mp4a" && audio.channelCount == 2 && audio.sampleRate == 48000)
        #expect(audio.description.objectTypeIndication == 0x40)
        #expect(audio.audioSpecificConfig.flatMap { AudioSpecificConfig($0) }?.isLowComplexity == true)
        #expect(audio.samples.syncSamples == nil)
    }

    @Test func `edit lists are kept as stored`() throws {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=1", "-f", "lavfi", "-itsoffset", "0.5", "-i", "sine=d=1"]
                + ["-bf", "2"])
        let movie = try MovieClips.movie(bytes)
        let video = movie.tracks[0]
        #expect(video.edits.count == 1 && video.edits[0].mediaTime == 1024 && video.edits[0].rate == 1)
        let audio = movie.tracks[1]
        #expect(audio.edits.count == 2 && audio.edits[0].mediaTime == -1)
        #expect(abs(Int(audio.edits[0].segmentDuration) - 500) < 25)
        #expect(movie.metadata == ["meta/©too"])
    }

    @Test func `fragmented files have empty tables and say so`() throws {
        let movie = try MovieClips.movie(
            MovieClips.make(MovieClips.arguments() + ["-movflags", "frag_keyframe+empty_moov"]))
        #expect(movie.isFragmented)
        #expect(movie.tracks.allSatisfy { $0.samples.count == 0 && $0.samples.isPlausible })
    }

    @Test(arguments: [90, 180, 270])
    func `quarter turns are recognised, mirrors and scales are not`(degrees: Int) throws {
        let bytes = try MovieClips.remux(MovieClips.conforming.get(), ["-metadata:s:v", "rotate=\(degrees)"])
        var track = try MovieClips.movie(bytes).tracks[0]
        // FFmpeg 5.1 takes the tag for the counterclockwise angle that ffprobe prints.
        #expect(track.rotation == 360 - degrees && !track.hasIdentityMatrix)
        track.matrix = [-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30]
        #expect(track.rotation == nil)
        track.matrix = [131072, 0, 0, 0, 131072, 0, 0, 0, 1 << 30]
        #expect(track.rotation == nil)
        track.matrix = []
        #expect(track.rotation == nil && !track.hasIdentityMatrix)
    }

    @Test func `quickTime's larger sound descriptions hide their esds in wave`() throws {
        let movie = try MovieClips.movie(MovieClips.make(MovieClips.arguments(), as: "mov"))
        let audio = try #require(movie.tracks(of: "soun").first)
        #expect(audio.channelCount == 2 && audio.sampleRate == 48000)
        let config = try #require(audio.audioSpecificConfig)
        #expect(AudioSpecificConfig(config)?.isLowComplexity == true)
    }

    @Test func `colours and pixel shapes of the container are read`() throws {
        let movie = try MovieClips.movie(
            MovieClips.make(MovieClips.arguments() + ["-movflags", "+write_colr", "-vf", "setsar=4/3"]))
        #expect(movie.tracks[0].colour == .init(primaries: 1, transfer: 1, matrix: 1, isFullRange: false))
        #expect(movie.tracks[0].pixelAspect == Rational(4, 3))
    }

    @Test func `encrypted tracks are recognised and keep the code that is stored`() throws {
        let movie = try MovieClips.movie(
            MovieClips.make(
                MovieClips.arguments() + [
                    "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
                    "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8",
                ]))
        #expect(movie.tracks.map(\.sampleEntry) == ["encv", "enca"])
        #expect(movie.tracks.allSatisfy { $0.isEncrypted })
        #expect(movie.tracks[0].avcC != nil && movie.tracks[1].audioSpecificConfig != nil)
    }

    @Test func `metadata are named by where they lie and what they are`() {
        let plain: [UInt8] = .box("udta", .box("\u{A9}xyz", [0, 1, 65]) + .box("free", [0, 0]) + .word(0))
        #expect(MetadataNames.found(in: plain[...]) == ["udta/©xyz"])
        let handler: [UInt8] = .box("hdlr", [UInt8](repeating: 0, count: 24))
        let key = "com.apple.quicktime.location.ISO6709"
        let keys: [UInt8] = .box(
            "keys", .word(0) + .word(1) + .word(UInt32(8 + key.utf8.count)) + Array("mdta\(key)".utf8))
        let list: [UInt8] = .box("ilst", .word(16) + .word(1) + .box("data"))
        #expect(MetadataNames.found(in: [UInt8].box("meta", handler + keys + list)[...]) == ["meta/\(key)"])
        #expect(MetadataNames.found(in: [UInt8].box("meta", .word(0) + handler + .box("ilst"))[...]) == [])
        #expect(
            MetadataNames.found(in: [UInt8].box("meta", .word(0) + handler + .box("xml ", [1]))[...]) == ["meta/xml "])
        #expect(MetadataNames.found(in: [UInt8].box("uuid", [1])[...]) == ["uuid"])
    }

    @Test func `a movie box without a readable header is no movie`() {
        #expect(Movie([]) == nil)
        #expect(Movie(.box("trak")) == nil)
        #expect(Movie(.box("mvhd", [0, 0, 0])) == nil)
    }

    @Test func `more boxes than any movie has are no movie, wherever they lie`() {
        let header = [UInt8].box("mvhd", .words(0, 0, 0, 1000, 4000) + [UInt8](repeating: 0, count: 80))
        let most = Movie.maximumBoxCount
        func boxes(_ count: Int) -> [UInt8] { Array(repeatElement([UInt8].box("free"), count: count).joined()) }
        #expect(Movie(header + boxes(most - 1)) != nil)
        #expect(Movie(header + boxes(most)) == nil)
        #expect(Movie(header + .box("trak", .box("mdia", boxes(most / 2))) + .box("udta", boxes(most / 2))) == nil)
    }

    @Test func `boxes behind as many names as are kept aren't looked at`() {
        let empty = Array(repeatElement([UInt8].box("free"), count: 1 << 19).joined())
        let named = Array(repeatElement([UInt8].box("Xtra", [1]), count: 256).joined())
        let front: [UInt8] = .box("hdlr", [UInt8](repeating: 0, count: 24)) + .box("keys")
        for payload in [
            [UInt8].box("udta", named + empty), .box("meta", front + named + empty),
            .box("meta", front + .box("ilst", named + empty)),
        ] {
            let begun = ContinuousClock.now
            #expect(MetadataNames.found(in: payload[...]).count == 256)
            #expect(ContinuousClock.now - begun < .milliseconds(500))
        }
    }
}
