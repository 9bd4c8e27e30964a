internal import CFFmpeg

/// A piece of one compressed stream, as a demuxer gives it and a muxer takes it.
///
/// Owns its libav packet; the bytes inside are reference-counted and never written to after they are handed on.
final class Packet {
    let pointer: UnsafeMutablePointer<AVPacket>
    /// What one tick of this packet's times lasts, in seconds.
    var timeBase: Rational

    /// An empty packet.
    init(timeBase: Rational) throws {
        guard let pointer = av_packet_alloc() else { throw MediaError.outOfMemory }
        self.pointer = pointer
        self.timeBase = timeBase
    }

    deinit {
        var owned: UnsafeMutablePointer<AVPacket>? = pointer
        av_packet_free(&owned)
    }

    /// The same bytes under a new packet, whose times can be changed freely.
    func reference() throws -> Packet {
        let copy = try Packet(timeBase: timeBase)
        guard av_packet_ref(copy.pointer, pointer) >= 0 else { throw MediaError.outOfMemory }
        return copy
    }

    var streamIndex: Int { Int(pointer.pointee.stream_index) }
    var size: Int { Int(pointer.pointee.size) }
    var isKey: Bool { pointer.pointee.flags & AV_PKT_FLAG_KEY != 0 }
    /// libavformat read fewer bytes than the container announced, or the transport said so.
    var isCorrupt: Bool { pointer.pointee.flags & AV_PKT_FLAG_CORRUPT != 0 }

    var pts: Timestamp? {
        get { Timestamp(pointer.pointee.pts, timeBase) }
        set { pointer.pointee.pts = newValue?.ticks ?? REELWAY_NOPTS }
    }
    var dts: Timestamp? {
        get { Timestamp(pointer.pointee.dts, timeBase) }
        set { pointer.pointee.dts = newValue?.ticks ?? REELWAY_NOPTS }
    }
    /// In ticks; 0 where the container doesn't say.
    var duration: Int64 { max(0, pointer.pointee.duration) }

    /// An edit list hides it, though others may need it to be decoded.
    var isDiscarded: Bool { pointer.pointee.flags & AV_PKT_FLAG_DISCARD != 0 }

    /// A codec's description that replaces the stream's from this packet on.
    var newExtradata: [UInt8]? {
        var size = 0
        guard let data = av_packet_get_side_data(pointer, AV_PKT_DATA_NEW_EXTRADATA, &size), size > 0 else {
            return nil
        }
        return Array(UnsafeBufferPointer(start: data, count: size))
    }

    /// The header in front of an AAC packet.
    var adtsHeader: ADTSHeader? {
        ADTSHeader(UnsafeBufferPointer(start: pointer.pointee.data, count: min(size, 9)))
    }

    /// Leaves out the first `count` bytes.
    func removeFirst(_ count: Int) {
        guard count > 0, count <= size else { return }
        pointer.pointee.data = pointer.pointee.data.advanced(by: count)
        pointer.pointee.size -= Int32(count)
    }

    /// Puts other bytes where some are, in memory of its own. The ranges follow one another.
    func replace(_ parts: [(range: Range<Int>, rest: [UInt8])]) throws {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + Int(AV_INPUT_BUFFER_PADDING_SIZE))
        let old = UnsafeBufferPointer(start: pointer.pointee.data, count: size)
        var position = 0
        for part in parts {
            bytes += old[position..<part.range.lowerBound]
            bytes += part.rest
            position = part.range.upperBound
        }
        bytes += old[position...]
        let count = bytes.count
        bytes += [UInt8](repeating: 0, count: Int(AV_INPUT_BUFFER_PADDING_SIZE))
        guard let buffer = av_buffer_alloc(bytes.count) else { throw MediaError.outOfMemory }
        UnsafeMutableRawBufferPointer(start: buffer.pointee.data, count: bytes.count).copyBytes(from: bytes)
        av_buffer_unref(&pointer.pointee.buf)
        pointer.pointee.buf = buffer
        pointer.pointee.data = buffer.pointee.data
        pointer.pointee.size = Int32(count)
    }
}

/// A point in time as a stream writes it: a number of ticks of its time base.
struct Timestamp: Sendable, Equatable {
    let ticks: Int64
    let base: Rational

    /// `nil` for libav's "no timestamp" and for values no clip can have, so that later arithmetic can't overflow.
    init?(_ ticks: Int64, _ base: Rational) {
        guard ticks != REELWAY_NOPTS, base.num > 0, base.den > 0 else { return nil }
        guard abs(Double(ticks) * base.value) < Timestamp.longestSeconds, ticks.magnitude < 1 << 53 else { return nil }
        self.ticks = ticks
        self.base = base
    }

    var seconds: Double { Double(ticks) * Double(base.num) / Double(base.den) }

    /// 126 years: live streams count from 1970 on, broadcasts from an arbitrary start, nothing counts further.
    static let longestSeconds = 4e9
}
