import Foundation

@testable import Media

/// A file in memory as a source; subclasses misbehave.
class MemorySource: ByteSource {
    let name: String
    let bytes: [UInt8]
    var length: Int64? { Int64(bytes.count) }
    var isSeekable: Bool { true }
    private(set) var bytesRead = 0

    init(_ bytes: [UInt8], name: String = "memory") {
        self.bytes = bytes
        self.name = name
    }

    convenience init(fixture: String) throws { self.init(try Fixture.bytes(fixture), name: fixture) }

    func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        try give(buffer.byteCount, to: &buffer, at: offset)
    }

    final func give(_ most: Int, to buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        guard offset >= 0, offset < Int64(bytes.count) else { return 0 }
        let start = Int(offset)
        let count = min(most, buffer.byteCount, bytes.count - start)
        buffer.withUnsafeMutableBytes { target in
            bytes.withUnsafeBytes {
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<(start + count)]))
            }
        }
        bytesRead += count
        return count
    }
}

/// Breaks for good at a byte.
final class FailsAt: MemorySource {
    static let failure = MediaError(.sourceUnavailable, "the cable was cut")
    private let limit: Int64

    init(_ bytes: [UInt8], at limit: Int) {
        self.limit = Int64(limit)
        super.init(bytes)
    }

    override func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        guard offset < limit else { throw Self.failure }
        return try give(Int(limit - offset), to: &buffer, at: offset)
    }
}

/// Gives a single byte for each call.
final class OneByteAtATime: MemorySource {
    override func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        try give(1, to: &buffer, at: offset)
    }
}

/// A pipe: unknown length, forward only; a jump is a fault of the reader, which it remembers.
final class NotSeekable: MemorySource {
    private(set) var jumped = false
    private var position: Int64 = 0
    override var length: Int64? { nil }
    override var isSeekable: Bool { false }

    override func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        if offset != position { jumped = true }
        let count = try give(min(buffer.byteCount, 4096), to: &buffer, at: position)
        position += Int64(count)
        return count
    }
}

/// A slow line: few bytes and a pause.
final class Slow: MemorySource {
    override func read(into buffer: inout MutableRawSpan, at offset: Int64) throws -> Int {
        usleep(2000)
        return try give(1500, to: &buffer, at: offset)
    }
}

/// Says it is longer or shorter than it is.
final class LiesAboutLength: MemorySource {
    private let claimed: Int64
    override var length: Int64? { claimed }

    init(_ bytes: [UInt8], claims: Int) {
        claimed = Int64(claims)
        super.init(bytes)
    }
}

/// Assembles the file in memory and remembers what it was told, in order.
final class MemorySink: ByteSink {
    enum Call: Equatable {
        case write(count: Int, headLength: Int)
        case finish(count: Int)
        case abort
    }

    let location = "memory"
    let mediaInHead: Int
    private(set) var calls: [Call] = []
    private(set) var file: [UInt8]?
    /// The body's length as it was expected before each write.
    private(set) var guesses: [Int] = []
    private var body: [UInt8] = []
    private var toCome: Int64?
    private let failsAfter: Int?
    static let failure = MediaError(.storageUnavailable, "the disk is full")

    /// - Parameters:
    ///   - failsAfter: how many calls go well before each further one throws.
    ///   - mediaInHead: as an object store would ask for it.
    init(failsAfter: Int? = nil, mediaInHead: Int = 5 << 20) {
        self.failsAfter = failsAfter
        self.mediaInHead = mediaInHead
    }

    func write(_ bytes: [UInt8], headLength: Int) throws {
        calls.append(.write(count: bytes.count, headLength: headLength))
        if let failsAfter, calls.count > failsAfter { throw Self.failure }
        body += bytes
        if let toCome { guesses.append(body.count + Int(toCome)) }
    }

    func expect(bytesToCome: Int64) { toCome = bytesToCome }

    func finish(head: [UInt8]) throws {
        calls.append(.finish(count: head.count))
        if let failsAfter, calls.count > failsAfter { throw Self.failure }
        file = head + body
    }

    func sha256() throws -> String? { nil }

    func abort() { if file == nil { calls.append(.abort) } }

    /// What breaks the protocol of `ByteSink`.
    var faults: [String] {
        var faults: [String] = []
        let ends = calls.filter { if case .write = $0 { false } else { true } }
        if ends.isEmpty { faults.append("neither finished nor aborted") }
        if ends.filter({ if case .finish = $0 { true } else { false } }).count > 1 { faults.append("finished twice") }
        if case .write = calls.last { faults.append("the last call is a write") }
        let heads = Set(calls.compactMap { if case .write(_, let head) = $0 { head } else { nil } })
        if heads.count > 1 { faults.append("the head's length changed: \(heads)") }
        if let head = heads.first, case .finish(let count) = ends.first, count != head {
            faults.append("the head has \(count) bytes instead of the promised \(head)")
        }
        return faults
    }
}
