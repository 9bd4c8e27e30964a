import Foundation
import Media

/// Damages clips at random and transcodes them: whatever is in a file, the engine may refuse it but neither crash nor
/// hang nor end as `internal`, which would blame itself for what the file did.
///
///     fuzz FOLDER SEED COUNT [KEEP]
///
/// The same seed does the same damage. A crash ends the process: the last line names the input that did it. Inputs that
/// end as `internal` are written to the folder KEEP.
@main
struct Fuzz {
    /// Seconds after which a transcode is asked to stop, and within which it has to have stopped after that.
    private static let patience = (work: 10.0, stop: 5.0)

    static func main() throws {
        let arguments = CommandLine.arguments
        guard [4, 5].contains(arguments.count), let seed = UInt64(arguments[2]), let count = Int(arguments[3]) else {
            print("usage: fuzz FOLDER SEED COUNT [KEEP]")
            exit(64)
        }
        let clips = try clips(in: arguments[1])
        var outcomes: [String: Int] = [:]
        for index in 0..<count {
            var random = SplitMix(state: seed &+ UInt64(index) &* 0x9e37_79b9)
            let (name, bytes) = clips[Int(random.next() % UInt64(clips.count))]
            FileHandle.standardError.write(Data("\(seed)/\(index) \(name)\n".utf8))
            let mutated = Mutation.apply(to: bytes, &random)
            let outcome = transcode(mutated, name)
            outcomes[outcome, default: 0] += 1
            if arguments.count == 5, outcome == MediaError.Code.internal.rawValue {
                try Data(mutated).write(to: URL(fileURLWithPath: "\(arguments[4])/\(seed)-\(index)-\(name)"))
            }
        }
        for (outcome, number) in outcomes.sorted(by: { $0.value > $1.value }) { print("\(number)\t\(outcome)") }
        let internals = outcomes[MediaError.Code.internal.rawValue] ?? 0
        print("\(count) mutated inputs, no crash, \(internals) internal")
        if internals > 0 || outcomes.keys.contains("hang") { exit(1) }
    }

    /// Small clips, so that thousands fit into minutes.
    private static func clips(in folder: String) throws -> [(String, [UInt8])] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        return try names.compactMap { name in
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
            let isLarge = name.hasPrefix("size-") || name.hasPrefix("copy-1080") || bytes.count > 200_000
            return isLarge || name.hasPrefix(".") || name.hasSuffix(".txt") ? nil : (name, bytes)
        }
    }

    private static func transcode(_ bytes: [UInt8], _ name: String) -> String {
        let start = ContinuousClock.now
        var options = Transcode.Options()
        options.preset = "ultrafast"
        options.forceEncode = bytes.count % 2 == 0
        var outcome: String
        do {
            let deadline = start + .seconds(patience.work)
            _ = try Transcode(
                from: Memory(name, bytes), to: Nowhere(), options: options, isCancelled: { .now > deadline }
            ).run()
            outcome = "done"
        } catch let error as MediaError {
            outcome = error.code.rawValue
            if error.code == .internal { FileHandle.standardError.write(Data("  \(error)\n".utf8)) }
        } catch {
            outcome = "\(error)"
        }
        if ContinuousClock.now - start > .seconds(patience.work + patience.stop) { outcome = "hang" }
        return outcome
    }
}

/// A clip in memory.
private final class Memory: ByteSource {
    let name: String
    let length: Int64?
    let isSeekable = true
    private let bytes: [UInt8]

    init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        length = Int64(bytes.count)
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        guard offset >= 0, offset < Int64(bytes.count) else { return 0 }
        let start = Int(offset)
        let count = min(buffer.byteCount, bytes.count - start)
        buffer.withUnsafeMutableBytes { $0.copyBytes(from: bytes[start..<(start + count)]) }
        return count
    }
}

/// Takes a result and forgets it.
private final class Nowhere: ByteSink {
    let location = "nowhere"
    func write(_ bytes: [UInt8], headLength: Int) throws {}
    func finish(head: [UInt8]) throws {}
    func abort() {}
}
