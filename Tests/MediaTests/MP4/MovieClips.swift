import Foundation
import Testing

@testable import Media

/// Bytes in memory as a source, which can behave like a pipe or a server that does not tell its length.
final class BytesSource: ByteSource {
    let name = "memory"
    let length: Int64?
    let isSeekable: Bool
    private let bytes: [UInt8]
    /// Where each read began and how much it took, to show what was not read.
    private(set) var reads: [(offset: Int64, count: Int)] = []
    /// Thrown by the read that reaches this offset.
    var failure: (offset: Int64, error: MediaError)?
    /// Most bytes a read answers.
    var step = Int.max

    init(_ bytes: [UInt8], isSeekable: Bool = true, knowsLength: Bool = true, claimedLength: Int64? = nil) {
        self.bytes = bytes
        self.isSeekable = isSeekable
        length = claimedLength ?? (knowsLength ? Int64(bytes.count) : nil)
    }

    var position: Int64 { reads.last.map { $0.offset + Int64($0.count) } ?? 0 }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        if !isSeekable { #expect(offset == position, "a pipe only goes forward") }
        let count = max(0, min(buffer.byteCount, bytes.count - Int(offset), step))
        if let failure, offset + Int64(count) > failure.offset { throw failure.error }
        for index in 0..<count {
            buffer.storeBytes(of: bytes[Int(offset) + index], toByteOffset: index, as: UInt8.self)
        }
        reads.append((offset, count))
        return count
    }
}

/// Clips that ffmpeg makes while the tests run.
enum MovieClips {
    /// A conforming clip: what the arguments of a test change one thing of.
    static func arguments(seconds: Double = 4, size: String = "320x240", rate: String = "30", audio: Double? = nil)
        -> [String]
    {
        [
            "-f", "lavfi", "-i", "testsrc2=s=\(size):r=\(rate):d=\(seconds)",
            "-f", "lavfi", "-i", "sine=f=440:r=48000:d=\(audio ?? seconds)",
        ] + coding
    }

    /// The output options of a conforming clip. Later options win over earlier ones in ffmpeg.
    static let coding = [
        "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "0", "-g", "48", "-pix_fmt", "yuv420p",
        "-threads", "1", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range",
        "tv", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v",
        "+bitexact", "-flags:a", "+bitexact", "-use_editlist", "0", "-movflags", "+faststart+negative_cts_offsets",
    ]

    /// Runs ffmpeg and answers the bytes of the file it made.
    static func make(_ arguments: [String], as suffix: String = "mp4") throws -> [UInt8] {
        let file = try Scratch.folder() + "/clip.\(suffix)"
        try Shell.ffmpeg(["-y"] + arguments + [file])
        return [UInt8](try Data(contentsOf: URL(filePath: file)))
    }

    /// Copies the streams of a file into another one without an edit list.
    static func remux(_ bytes: [UInt8], _ options: [String]) throws -> [UInt8] {
        let file = try Engine.store(bytes, as: "source.mp4")
        return try make(
            ["-i", file, "-c", "copy", "-use_editlist", "0", "-fflags", "+bitexact", "-movflags", "faststart"]
                + options)
    }

    /// A conforming clip of 4 seconds, made once.
    static let conforming = Result { try make(arguments()) }

    static func layout(_ bytes: [UInt8]) throws -> FileLayout {
        try #require(try FileLayout.scan(BytesSource(bytes), through: .end))
    }

    static func movie(_ bytes: [UInt8]) throws -> Movie {
        let moov = try #require(try layout(bytes).moov)
        return try #require(Movie(moov))
    }
}

extension [UInt8] {
    /// Big-endian bytes of a number.
    static func word(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
    }

    /// Big-endian bytes of numbers.
    static func words(_ numbers: UInt32...) -> [UInt8] { numbers.flatMap { word($0) } }

    /// A box with a 32-bit size.
    static func box(_ type: String, _ payload: [UInt8] = []) -> [UInt8] {
        word(UInt32(payload.count + 8)) + type.unicodeScalars.map { UInt8($0.value) } + payload
    }

    /// Where these characters first lie at or behind `start`.
    func index(of text: String, from start: Int = 0) -> Int? {
        let wanted = [UInt8](text.utf8)
        guard count >= wanted.count, start <= count - wanted.count else { return nil }
        return (start...count - wanted.count).first {
            self[$0] == wanted[0] && Array(self[$0..<$0 + wanted.count]) == wanted
        }
    }

    /// The same bytes with a word overwritten, counted from the end of the first occurrence of a box's type.
    func patched(_ type: String, at offset: Int, _ number: UInt32) throws -> [UInt8] {
        let start = try #require(index(of: type)) + 4 + offset
        var copy = self
        copy.replaceSubrange(start..<start + 4, with: [UInt8].word(number))
        return copy
    }
}
