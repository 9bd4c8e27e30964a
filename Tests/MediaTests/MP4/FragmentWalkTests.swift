import Foundation
import Testing

@testable import Media

struct FragmentWalkTests {
    /// Six seconds in fragments of a third of a second, whose samples are found from where each fragment begins.
    static let clip = Result {
        try MovieClips.make(
            MovieClips.arguments(seconds: 6, size: "160x120")
                + ["-g", "10", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"])
    }

    /// Where the boxes of the outermost level begin, and where the last one ends.
    static func bounds(_ bytes: [UInt8]) throws -> [Int] {
        try MovieClips.layout(bytes).boxes.map { Int($0.offset) } + [bytes.count]
    }

    /// Places in the middle of boxes, and some bytes in front of and behind each of their bounds.
    static func cuts(_ bytes: [UInt8], every step: Int) throws -> [Int] {
        let bounds = try bounds(bytes)
        let near = bounds.enumerated().filter { $0.offset % step == 0 }.flatMap { [$0.element - 1, $0.element + 5] }
        let far = stride(from: 1, to: 40, by: step).map { bytes.count * $0 / 40 }
        return Set(near + far).subtracting(bounds).filter { $0 > 1500 && $0 < bytes.count }.sorted()
    }

    @Test func `a fragmented file cut inside a fragment is truncated, wherever that is`() throws {
        let bytes = try Self.clip.get()
        let cuts = try Self.cuts(bytes, every: 1)
        #expect(cuts.count > 60)
        for count in cuts {
            let (sink, _, error) = try Engine.run(MemorySource(bytes[..<count], name: "cut.mp4"))
            #expect(error?.code == .sourceTruncated, "at \(count) of \(bytes.count): \(error.debugDescription)")
            #expect(sink.file == nil)
            if let error { ErrorTests.expectSentence(error) }
        }
    }

    @Test func `a fragmented pipe that breaks off inside a fragment is truncated too`() throws {
        let bytes = try Self.clip.get()
        #expect(try Engine.run(NotSeekable(bytes, name: "whole.mp4")).error == nil)
        for count in try Self.cuts(bytes, every: 7) {
            let (sink, _, error) = try Engine.run(NotSeekable(Array(bytes[..<count]), name: "cut.mp4"))
            #expect(error?.code == .sourceTruncated, "at \(count) of \(bytes.count): \(error.debugDescription)")
            #expect(sink.file == nil)
        }
    }

    @Test func `a fragmented file cut between two fragments is truncated where it says how long all of them are`()
        throws
    {
        var bytes = try Self.clip.get()
        let mvex = try #require(bytes.index(of: "mvex"))
        let size = bytes[(mvex - 4)..<mvex].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let movie = try #require(try MovieClips.layout(bytes).boxes.first { $0.type == "moov" })
        let timescale = try MovieClips.movie(bytes).timescale
        bytes.replaceSubrange((mvex - 4)..<mvex, with: [UInt8].word(size + 16))
        bytes.insert(contentsOf: [UInt8].box("mehd", .word(0) + .word(6 * timescale)), at: mvex + 4)
        let start = Int(movie.offset)
        bytes.replaceSubrange(start..<(start + 4), with: [UInt8].word(UInt32(movie.size) + 16))
        #expect(try Engine.run(MemorySource(bytes, name: "whole.mp4")).error == nil)
        let bounds = try MovieClips.layout(bytes).boxes.filter { $0.type == "moof" }.map { Int($0.offset) }
        for count in [bounds[4], bounds[bounds.count / 2], bounds[bounds.count - 3]] {
            try Self.expectTruncated(Array(bytes[..<count]))
        }
    }

    /// A file and a pipe.
    private static func expectTruncated(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) throws {
        let sources: [any ByteSource] = [MemorySource(bytes, name: "cut.mp4"), NotSeekable(bytes, name: "cut.mp4")]
        for source in sources {
            let (sink, _, error) = try Engine.run(source)
            #expect(
                error?.code == .sourceTruncated, "\(bytes.count) bytes: \(error.debugDescription)",
                sourceLocation: sourceLocation)
            #expect(sink.file == nil, sourceLocation: sourceLocation)
        }
    }

    @Test func `a fragmented file cut between two fragments is truncated where an index lists all of them`() throws {
        let bytes = try MovieClips.make(
            MovieClips.arguments(seconds: 6, size: "160x120")
                + ["-g", "10", "-movflags", "+frag_keyframe+empty_moov+dash+global_sidx"])
        #expect(try Engine.run(MemorySource(bytes, name: "whole.mp4")).error == nil)
        #expect(try Engine.run(NotSeekable(bytes, name: "whole.mp4")).error == nil)
        let bounds = try MovieClips.layout(bytes).boxes.filter { $0.type == "moof" }.map { Int($0.offset) }
        for count in [bounds[4], bounds[bounds.count / 2], bounds[bounds.count - 3]] {
            try Self.expectTruncated(Array(bytes[..<count]))
        }
    }

    @Test func `a part of a longer recording lasts as long as its fragments, whatever its clock says`() throws {
        let bytes = try MovieClips.make(
            MovieClips.arguments(seconds: 6, size: "160x120")
                + ["-g", "10", "-output_ts_offset", "3600", "-avoid_negative_ts", "disabled"]
                + ["-movflags", "+frag_keyframe+empty_moov+default_base_moof+frag_discont"])
        let movie = try MovieClips.movie(bytes)
        let part = try bytes.patched("mdhd", at: 16, 6 * (movie.tracks.first?.timescale ?? 0))
        let (_, report, error) = try Engine.run(MemorySource(part, name: "part.mp4"))
        #expect(error == nil)
        #expect(abs((report?.output?.durationSeconds ?? 0) - 6) < 0.1)
    }

    @Test func `a recording whose clock counts from 1970 keeps its sound where it was`() throws {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=6", "-itsoffset", "2", "-f", "lavfi", "-i", "sine=d=4"]
                + ["-c:v", "libx264", "-bf", "0", "-g", "10", "-c:a", "aac", "-use_editlist", "0"]
                + ["-output_ts_offset", "1700000000", "-avoid_negative_ts", "disabled"]
                + ["-movflags", "+frag_keyframe+empty_moov+default_base_moof+frag_discont"])
        let (sink, _, error) = try Engine.run(MemorySource(bytes, name: "live.mp4"))
        #expect(error == nil)
        let sound = try Scratch.folder() + "/sound.raw"
        let file = try Engine.store(try #require(sink.file))
        try Shell.ffmpeg(["-i", file, "-ac", "1", "-ar", "48000", "-f", "s16le", sound])
        let samples = try Data(contentsOf: URL(filePath: sound)).withUnsafeBytes {
            Array($0.bindMemory(to: Int16.self))
        }
        let begun = try #require(samples.firstIndex { $0.magnitude > 500 })
        #expect(abs(Double(begun) / 48000 - 2) < 0.05)
    }

    @Test func `a fragmented file may begin with what its broadcast tells`() throws {
        let bytes = try [UInt8].box("prft", [UInt8](repeating: 0, count: 16)) + Self.clip.get()
        #expect(try Engine.run(MemorySource(bytes, name: "live.mp4")).error == nil)
    }

    @Test func `the walk reads little besides the fragments' descriptions`() throws {
        let bytes = try MovieClips.make(
            ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=6,noise=alls=40:allf=t"]
                + ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30"]
                + ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"])
        let source = BytesSource(bytes)
        let layout = try #require(try FileLayout.scan(source, through: .movie))
        let movie = try #require(layout.moov.flatMap { Movie($0) })
        let before = source.reads.count
        let tracks = try FragmentWalk.check(source, layout, movie, isCancelled: { false })
        #expect(tracks[1]?.samples == 180)
        #expect(source.reads.count - before <= 10)
        #expect(source.reads[before...].reduce(0) { $0 + $1.count } < bytes.count / 20)
    }

    @Test func `a walk ends when it is asked to`() throws {
        let source = BytesSource(try Self.clip.get())
        let layout = try #require(try FileLayout.scan(source, through: .movie))
        let movie = try #require(layout.moov.flatMap { Movie($0) })
        #expect(throws: MediaError.cancelled) {
            try FragmentWalk.check(source, layout, movie, isCancelled: { true })
        }
    }

    @Test func `what a camera appends behind the samples of a plain file is no loss`() throws {
        let bytes = try MovieClips.conforming.get()
        let stray: [[UInt8]] = [[1, 2, 3], .word(4) + Array("SEFT".utf8)]
        for tail in stray {
            #expect(try Engine.run(NotSeekable(bytes + tail, name: "tail.mp4")).error == nil)
        }
        for tail in stray + [.word(1_000_000) + Array("mdat".utf8)] {
            #expect(try Engine.run(MemorySource(bytes + tail, name: "tail.mp4")).error == nil)
        }
    }
}
