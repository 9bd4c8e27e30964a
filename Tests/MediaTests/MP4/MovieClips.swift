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

/// Clips that ffmpeg makes while the tests run, and the reference clips beside the checkout.
enum MovieClips {
    struct Failure: Error { var text: String }

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
        try inFolder { folder in
            let file = folder.appending(path: "clip.\(suffix)")
            _ = try run("ffmpeg", ["-v", "error", "-nostdin", "-y"] + arguments + [file.path])
            return [UInt8](try Data(contentsOf: file))
        }
    }

    /// Copies the streams of a file into another one without an edit list.
    static func remux(_ bytes: [UInt8], _ options: [String]) throws -> [UInt8] {
        try inFolder { folder in
            let file = folder.appending(path: "source.mp4")
            try Data(bytes).write(to: file)
            return try make(
                ["-i", file.path, "-c", "copy", "-use_editlist", "0", "-fflags", "+bitexact", "-movflags", "faststart"]
                    + options)
        }
    }

    /// Runs `work` with a folder of its own, which is gone afterwards.
    static func inFolder<Value>(_ work: (URL) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "reelway-mp4-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try work(folder)
    }

    /// A conforming clip of 4 seconds, made once.
    static let conforming = Result { try make(arguments()) }

    /// Runs a program and answers its standard output, or what it says on standard error.
    static func run(_ program: String, _ arguments: [String], answersErrors: Bool = false) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        let errors = FileManager.default.temporaryDirectory.appending(path: "reelway-\(UUID().uuidString).log")
        try Data().write(to: errors)
        defer { try? FileManager.default.removeItem(at: errors) }
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let text = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
            throw Failure(text: "\(program) \(arguments.joined(separator: " ")): \(text)")
        }
        if answersErrors { return String(decoding: try Data(contentsOf: errors), as: UTF8.self) }
        return String(decoding: data, as: UTF8.self)
    }

    /// A reference clip, which only development machines have beside the checkout.
    static func reference(_ path: String) -> URL? {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = package.deletingLastPathComponent().appending(path: "shared/media/\(path)")
        if FileManager.default.fileExists(atPath: file.path) { return file }
        print("skipped: \(path) is not in \(file.deletingLastPathComponent().path)")
        return nil
    }

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
