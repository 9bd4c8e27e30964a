import Foundation

/// The video encoder on a thread of its own: while x264 takes one picture in, the next is decoded and converted.
final class EncoderThread {
    private let thread: CodecThread<(frame: Frame, tick: Int64)>
    private let made = MadePackets()

    /// Pictures that may wait: the decoder works ahead while x264 has a hard one.
    private static let waiting = 2

    /// Takes the encoder over: from here on nobody else may touch it.
    init(_ encoder: VideoEncoder) {
        let made = made
        thread = CodecThread(named: "encoder", limit: EncoderThread.waiting) { picture in
            try encoder.encode(picture.frame, tick: picture.tick, made.append)
        } end: {
            try encoder.finish(made.append)
        }
    }

    /// Hands a picture over, for tick `tick`; waits while too many do. Throws what the encoder threw, also for
    /// an earlier picture.
    func encode(_ frame: Frame, tick: Int64) throws { try thread.put((frame, tick)) }

    /// Waits until everything has been encoded. Throws what the encoder threw.
    func finish() throws { try thread.finish() }

    /// Packets that have been made since the last call.
    func takeReady() -> [Packet] { made.take() }
}

/// Packets on their way from the encoder's thread.
private final class MadePackets {
    private let lock = NSLock()
    private var packets: [Packet] = []

    func append(_ packet: Packet) { lock.withLock { packets.append(packet) } }

    func take() -> [Packet] {
        lock.withLock {
            defer { packets = [] }
            return packets
        }
    }
}
