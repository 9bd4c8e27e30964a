internal import CFFmpeg

/// Lets libavformat read from a `ByteSource`.
///
/// C keeps this object's address, hence a class. An error the source throws is kept here and comes out as itself
/// from `check`, whatever number libavformat makes of it.
final class SourceBridge {
    /// Room for one read; long enough that a chunk of samples costs few calls.
    private static let bufferSize = 128 << 10

    private(set) var context: UnsafeMutablePointer<AVIOContext>?
    private let source: any ByteSource
    private let isCancelled: () -> Bool
    private var position: Int64 = 0
    private var failure: (any Error)?

    init(_ source: any ByteSource, isCancelled: @escaping () -> Bool) throws {
        self.source = source
        self.isCancelled = isCancelled
        guard let buffer = av_malloc(SourceBridge.bufferSize) else { throw MediaError.outOfMemory }
        context = avio_alloc_context(
            buffer.assumingMemoryBound(to: UInt8.self), Int32(SourceBridge.bufferSize), 0,
            Unmanaged.passUnretained(self).toOpaque(),
            { opaque, buffer, size in SourceBridge.of(opaque)?.read(buffer, size) ?? reelway_averror(EINVAL) },
            nil,
            source.isSeekable
                ? { opaque, offset, whence in
                    SourceBridge.of(opaque)?.seek(offset, whence) ?? Int64(reelway_averror(EINVAL))
                } : nil)
        guard context != nil else {
            av_free(buffer)
            throw MediaError.outOfMemory
        }
    }

    deinit {
        // libavformat may have replaced the buffer: the context's current one is the one to free.
        if let context { av_freep(&context.pointee.buffer) }
        avio_context_free(&context)
    }

    /// Throws what the source threw, if it did.
    func check() throws {
        if let failure { throw failure }
    }

    private static func of(_ opaque: UnsafeMutableRawPointer?) -> SourceBridge? {
        opaque.map { Unmanaged<SourceBridge>.fromOpaque($0).takeUnretainedValue() }
    }

    private func read(_ buffer: UnsafeMutablePointer<UInt8>?, _ size: Int32) -> Int32 {
        guard failure == nil, let buffer, size > 0 else {
            return failure == nil ? reelway_averror(EINVAL) : REELWAY_EXIT
        }
        do {
            if isCancelled() { throw MediaError.cancelled }
            var span = UnsafeMutableRawBufferPointer(start: buffer, count: Int(size)).mutableBytes
            let count = try source.read(into: &span, at: position)
            guard count > 0 else { return REELWAY_EOF }
            position += Int64(count)
            return Int32(count)
        } catch {
            failure = error
            return REELWAY_EXIT
        }
    }

    private func seek(_ offset: Int64, _ whence: Int32) -> Int64 {
        let invalid = Int64(reelway_averror(EINVAL))
        switch whence & ~AVSEEK_FORCE {
        case AVSEEK_SIZE:
            return source.length ?? Int64(reelway_averror(ENOSYS))
        case SEEK_SET:
            guard offset >= 0 else { return invalid }
            position = offset
        case SEEK_CUR:
            let (target, overflow) = position.addingReportingOverflow(offset)
            guard !overflow, target >= 0 else { return invalid }
            position = target
        case SEEK_END:
            guard let length = source.length, case let (target, overflow) = length.addingReportingOverflow(offset),
                !overflow, target >= 0
            else { return invalid }
            position = target
        default:
            return invalid
        }
        return position
    }
}
