internal import CFFmpeg

/// One decoded picture or block of sound.
///
/// Owns its libav frame. The planes are reference-counted; who writes into a frame made it itself or made sure by
/// `isWritable` that nobody else holds it.
final class Frame {
    let pointer: UnsafeMutablePointer<AVFrame>
    /// When it is shown or heard, in seconds of the source stream's own clock.
    var time = 0.0
    /// How long, in seconds; 0 where the source doesn't say.
    var duration = 0.0

    init() throws {
        guard let pointer = av_frame_alloc() else { throw MediaError.outOfMemory }
        self.pointer = pointer
    }

    deinit {
        var owned: UnsafeMutablePointer<AVFrame>? = pointer
        av_frame_free(&owned)
    }

    /// A picture with planes of its own.
    convenience init(width: Int, height: Int, format: AVPixelFormat) throws {
        try self.init()
        pointer.pointee.width = Int32(width)
        pointer.pointee.height = Int32(height)
        pointer.pointee.format = format.rawValue
        guard av_frame_get_buffer(pointer, 0) >= 0 else { throw MediaError.outOfMemory }
    }

    var width: Int { Int(pointer.pointee.width) }
    var height: Int { Int(pointer.pointee.height) }
    var format: AVPixelFormat { AVPixelFormat(pointer.pointee.format) }
    var sampleCount: Int { Int(pointer.pointee.nb_samples) }
    var isWritable: Bool { av_frame_is_writable(pointer) > 0 }
    var isInterlaced: Bool { pointer.pointee.interlaced_frame != 0 }

    /// The decoder concealed damage in it.
    var isDamaged: Bool {
        pointer.pointee.decode_error_flags != 0 || pointer.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
    }

    /// The same planes under a new frame, whose times can be changed freely.
    func reference() throws -> Frame {
        let copy = try Frame()
        guard av_frame_ref(copy.pointer, pointer) >= 0 else { throw MediaError.outOfMemory }
        copy.time = time
        copy.duration = duration
        return copy
    }
}

/// A few pictures of one size, used again and again: no allocation for each frame.
struct FramePool {
    let width: Int
    let height: Int
    let format: AVPixelFormat
    private var frames: [Frame] = []

    init(width: Int, height: Int, format: AVPixelFormat) {
        self.width = width
        self.height = height
        self.format = format
    }

    /// A frame to write into. It returns to the pool when the caller and everyone it was handed to let go of it.
    mutating func next() throws -> Frame {
        if let free = frames.first(where: \.isWritable) { return try free.reference() }
        let frame = try Frame(width: width, height: height, format: format)
        frames.append(frame)
        return try frame.reference()
    }
}
