import Foundation
import Testing

@testable import Media

struct HostileSourceTests {
    static let layouts = [
        "container-moov-last.mp4", "container-moov-first.mp4", "container-fragmented.mp4", "container.mkv",
        "container.ts",
        "container.avi", "copy-stereo-128k.mp4",
    ]

    private static func options() -> Transcode.Options {
        var options = Transcode.Options.quick()
        options.threads = 1
        return options
    }

    private static func reference(_ name: String) throws -> [UInt8] {
        let (sink, _, error) = try Engine.run(MemorySource(fixture: name), options())
        #expect(error == nil)
        return sink.file ?? []
    }

    @Test(arguments: layouts)
    func `a source that breaks at a byte ends the work with the source's own error`(name: String) throws {
        let bytes = try Fixture.bytes(name)
        for share in [0, 1, 3, 10, 25, 50, 75, 90, 98] {
            let (sink, _, error) = try Engine.run(FailsAt(bytes, at: bytes.count * share / 100), Self.options())
            #expect(error == FailsAt.failure, "at \(share) %: \(error.debugDescription)")
            #expect(sink.faults == [])
            #expect(sink.file == nil)
        }
    }

    @Test(arguments: layouts)
    func `one byte at a time gives the same file`(name: String) throws {
        let (sink, _, error) = try Engine.run(OneByteAtATime(Fixture.bytes(name), name: name), Self.options())
        #expect(error == nil)
        #expect(sink.file == (try Self.reference(name)))
    }

    @Test(arguments: ["container-moov-last.mp4", "container.ts"])
    func `a slow source gives the same file`(name: String) throws {
        let (sink, _, error) = try Engine.run(Slow(Fixture.bytes(name), name: name), Self.options())
        #expect(error == nil)
        #expect(sink.file == (try Self.reference(name)))
    }

    @Test(arguments: layouts)
    func `a source that can't seek gives a whole file, or a refusal that says so, and is read in order`(name: String)
        throws
    {
        let source = NotSeekable(try Fixture.bytes(name), name: name)
        let (sink, _, error) = try Engine.run(source, Self.options())
        #expect(!source.jumped)
        #expect(sink.faults == [])
        if let error {
            #expect(name == "container-moov-last.mp4" || name == "copy-stereo-128k.mp4", "\(error)")
            #expect(error.code == .unsupportedContainer || error.code == .usage, "\(error)")
            ErrorTests.expectSentence(error)
        } else {
            let path = try Engine.store(sink.file ?? [])
            #expect(try Judge.conforms(path, Judge.Allowance(copiedVideo: true)) == [])
            #expect(abs(try FFprobe.read(path).duration - 4) < 0.1)
        }
    }

    @Test(arguments: ["container-moov-first.mp4", "copy-720p30-48k.mp4"])
    func `media that says it runs to the end of the file is taken from a pipe as from a file`(name: String) throws {
        var bytes = try MovieClips.make(["-i", Fixture.path(name), "-c", "copy", "-movflags", "faststart"])
        let whole = try Engine.run(NotSeekable(bytes, name: name), Self.options()).sink.file
        let media = try #require(try MovieClips.layout(bytes).boxes.last { $0.type == "mdat" })
        bytes.replaceSubrange(Int(media.offset)..<Int(media.offset + 4), with: [0, 0, 0, 0])
        for source in [NotSeekable(bytes, name: name), MemorySource(bytes, name: name)] {
            let (sink, _, error) = try Engine.run(source, Self.options())
            #expect(error == nil)
            #expect(sink.file == whole)
        }
        for cut in [bytes.count - 1, bytes.count - 300, bytes.count / 2] {
            let (sink, _, error) = try Engine.run(NotSeekable(Array(bytes[..<cut]), name: name), Self.options())
            #expect(error?.code == .sourceTruncated)
            #expect(sink.file == nil)
        }
    }

    @Test(arguments: layouts)
    func `a source that lies about its length gives the whole video or a refusal`(name: String) throws {
        let bytes = try Fixture.bytes(name)
        for claim in [0, 1, bytes.count / 2, bytes.count - 1, bytes.count + 1, bytes.count + 100_000, Int.max / 2] {
            let (sink, report, error) = try Engine.run(LiesAboutLength(bytes, claims: claim), Self.options())
            #expect(sink.faults == [])
            if let error {
                #expect(![.internal, .cancelled].contains(error.code), "\(error)")
            } else {
                #expect(abs((report?.output?.durationSeconds ?? 0) - 4) < 0.1, "claims \(claim) of \(bytes.count)")
            }
        }
    }

    @Test(arguments: layouts)
    func `the sink gets the body in order and the head last`(name: String) throws {
        let sink = MemorySink()
        let (_, report, error) = try Engine.run(MemorySource(fixture: name), into: sink, Self.options())
        #expect(error == nil)
        #expect(sink.faults == [])
        #expect(Int(report?.output?.bytes ?? 0) == sink.file?.count)
    }

    /// Noise that hardly compresses: as encoded by `noisy`, more than the 5 MiB that are held back.
    private static func noise(_ ending: String = "mp4") throws -> String {
        let path = try Scratch.folder() + "/noise.\(ending)"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=30,noise=alls=60:allf=t", "-t", "4"]
                + ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", path])
        return path
    }

    private static func noisy(crf: Double = 22) -> Transcode.Options {
        var options = options()
        options.crf = crf
        options.forceEncode = true
        return options
    }

    @Test(arguments: [8, 9] as [UInt8])
    func `times that jump by a day are refused instead of filled with one picture`(tag: UInt8) throws {
        // FLV tags: type, three bytes of size, three of time and one above them, three of stream, data, size again.
        var bytes = try Fixture.bytes("container.flv")
        var position = 13
        var tags: [Int] = []
        while position + 11 < bytes.count {
            if bytes[position] == tag { tags.append(position) }
            position += 15 + bytes[(position + 1)..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
        }
        for tag in tags[(tags.count / 2)...] { bytes[tag + 7] = 0x05 }
        var options = Transcode.Options.quick()
        options.profile = .any
        let begun = ContinuousClock.now
        let (sink, _, error) = try Engine.run(MemorySource(bytes, name: "jump.flv"), options)
        #expect(error?.code == .sourceCorrupt || error?.code == .sourceTruncated, "\(error.debugDescription)")
        #expect(sink.file == nil)
        #expect(ContinuousClock.now - begun < .seconds(10))
    }

    @Test func `even noise at the finest quality stays within 25 Mb/s`() throws {
        let (sink, _, error) = try Engine.run(FileSource(path: Self.noise()), Self.noisy(crf: 1))
        #expect(error == nil)
        if let file = sink.file { #expect(try Judge.conforms(Engine.store(file)) == []) }
    }

    @Test func `noise keeps a small file's size, at the share of bits that 15 min of 1080p60 have`() throws {
        // 300 MB over 15 min of 1080p60 are 0.019 bits a pixel; the same for 12 s of 640x360 at 30 a second.
        let path = try Scratch.folder() + "/noise.mkv"
        try Shell.ffmpeg(
            ["-f", "lavfi", "-i", "color=gray:s=640x360:r=30,noise=alls=100:allf=t"]
                + ["-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.5", "-t", "12", "-c:v", "libx264"]
                + ["-preset", "ultrafast", "-crf", "23", "-c:a", "pcm_s16le", path])
        var options = Self.options()
        options.profile = Profile(name: "small", minimumSeconds: 3, maximumSeconds: 900, maximumBytes: 450_000)
        let (sink, report, error) = try Engine.run(FileSource(path: path), options)
        #expect(error == nil)
        let bytes = Int(report?.output?.bytes ?? 0)
        #expect(bytes <= 450_000 && bytes > 300_000, "\(bytes)")
        #expect(sink.file?.count == bytes)
        let rate = Double(report?.plan?.video.maxBitrate ?? 0) / (640 * 360 * 30)
        #expect(rate < 0.0195, "more bits a pixel than the longest reel has: \(rate)")
    }

    @Test(arguments: [1 << 18, 5 << 20])
    func `a large result leaves in pieces but for the media its head has to hold`(mediaInHead: Int) throws {
        let (path, options) = (try Self.noise(), Self.noisy())
        let sink = MemorySink(mediaInHead: mediaInHead)
        let (_, report, error) = try Engine.run(FileSource(path: path), into: sink, options)
        #expect(error == nil)
        #expect(sink.faults == [])
        let writes = sink.calls.dropLast()
        #expect(writes.count >= 2, "\(sink.calls)")
        guard case .finish(let head) = sink.calls.last else {
            Issue.record("not finished: \(sink.calls)")
            return
        }
        #expect(head >= mediaInHead && head < mediaInHead + (1 << 16), "\(head)")
        #expect(Int(report?.output?.bytes ?? 0) == sink.file?.count)
        #expect(try Judge.conforms(Engine.store(sink.file ?? [])) == [])
    }

    @Test func `a sink is told about how much of the body is to come, where the video's length is known`() throws {
        let sink = MemorySink(mediaInHead: 1 << 18)
        let (_, _, error) = try Engine.run(FileSource(path: Self.noise()), into: sink, Self.noisy())
        #expect(error == nil)
        guard case .finish(let head) = sink.calls.last else {
            Issue.record("not finished: \(sink.calls)")
            return
        }
        let body = (sink.file?.count ?? 0) - head
        try #require(sink.guesses.count >= 16, "\(sink.guesses)")
        #expect(sink.guesses.dropFirst(4).allSatisfy { abs($0 - body) < body / 4 }, "\(sink.guesses) of \(body)")
        #expect(sink.guesses.suffix(1).allSatisfy { abs($0 - body) < 1 << 18 }, "\(sink.guesses) of \(body)")
    }

    @Test func `a small result is packed, though the room for its index is planned for the longest video`() throws {
        let clip = try Data(contentsOf: URL(fileURLWithPath: Self.noise("ts")))
        let source = NotSeekable([UInt8](clip), name: "noise.ts")
        let (sink, report, error) = try Engine.run(source, into: MemorySink(mediaInHead: 1 << 18), Self.noisy(crf: 40))
        #expect(error == nil)
        let bytes = Int(report?.output?.bytes ?? 0)
        #expect(bytes > 1 << 18 && sink.calls == [.finish(count: bytes)], "\(sink.calls)")
    }

    @Test(arguments: [0, 1, 2])
    func `a sink that fails ends the work with its own error`(after calls: Int) throws {
        let (path, options) = (try Self.noise(), Self.noisy())
        let (sink, _, error) = try Engine.run(FileSource(path: path), into: MemorySink(failsAfter: calls), options)
        #expect(error == MemorySink.failure)
        #expect(sink.file == nil && sink.calls.last == .abort, "\(sink.calls)")
    }

    @Test(arguments: layouts)
    func `progress begins at 0, never goes back and ends near 1`(name: String) throws {
        var seen: [Media.Progress] = []
        _ = try Transcode(
            from: MemorySource(fixture: name), to: MemorySink(), options: Self.options(), progress: { seen.append($0) }
        ).run()
        try #require(seen.count >= 2)
        #expect(zip(seen.dropFirst(), seen).allSatisfy { $0.progress >= $1.progress })
        #expect(zip(seen.dropFirst(), seen).allSatisfy { $0.bytesIn >= $1.bytesIn && $0.bytesOut >= $1.bytesOut })
        #expect(seen.allSatisfy { (0...1).contains($0.progress) })
        #expect(seen.last.map { $0.progress > 0.9 } == true)
    }
}
