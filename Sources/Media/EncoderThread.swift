import Foundation

/// The video encoder on a thread of its own: while x264 takes one picture in, the next is decoded and converted.
///
/// ```
/// caller ─encode─▶ [ a waiting picture ] ─▶ thread: VideoEncoder ─▶ [ packets ] ─takeReady─▶ caller
/// ```
///
/// x264 works with threads of its own, but its caller waits for them; so does that of a decoder. One thread waiting
/// for both in turn leaves a core idle now and then.
final class EncoderThread {
    private let exchange: Exchange

    /// Takes the encoder over: from here on nobody else may touch it.
    init(_ encoder: VideoEncoder) {
        let exchange = Exchange(encoder)
        self.exchange = exchange
        let thread = Thread { exchange.work() }
        thread.name = "encoder"
        thread.start()
    }

    /// Waits until the thread has left the encoder, which takes a picture's time at most.
    deinit { exchange.close(abandoning: true) }

    /// Hands a picture over, for tick `tick`; waits while another one does. Throws what the encoder threw, also for
    /// an earlier picture.
    func encode(_ frame: Frame, tick: Int64) throws { try exchange.put(frame, tick) }

    /// Waits until everything has been encoded. Throws what the encoder threw.
    func finish() throws {
        exchange.close(abandoning: false)
        try exchange.checkFailure()
    }

    /// Packets that have been made since the last call.
    func takeReady() -> [Packet] { exchange.takeReady() }
}

/// What caller and thread hand each other.
///
/// Sendable: all mutable state is guarded by `condition`, and the encoder is used by the thread alone.
private final class Exchange: @unchecked Sendable {
    private var encoder: VideoEncoder?
    private let condition = NSCondition()
    private var waiting: (frame: Frame, tick: Int64)?
    private var ready: [Packet] = []
    private var failure: (any Error)?
    private var isClosed = false
    private var isAbandoned = false
    private var hasEnded = false

    init(_ encoder: VideoEncoder) { self.encoder = encoder }

    func put(_ frame: Frame, _ tick: Int64) throws {
        try condition.withLock {
            while waiting != nil, !hasEnded { condition.wait() }
            if let failure { throw failure }
            waiting = (frame, tick)
            condition.broadcast()
        }
    }

    /// - Parameter abandoning: leave what waits, and what the encoder holds, unencoded.
    func close(abandoning: Bool) {
        condition.withLock {
            isClosed = true
            isAbandoned = isAbandoned || abandoning
            condition.broadcast()
            while !hasEnded { condition.wait() }
        }
    }

    func checkFailure() throws {
        try condition.withLock { if let failure { throw failure } }
    }

    func takeReady() -> [Packet] {
        condition.withLock {
            defer { ready = [] }
            return ready
        }
    }

    /// The thread's life.
    func work() {
        var failure: (any Error)?
        do {
            while let (frame, tick) = next() { try encoder?.encode(frame, tick: tick, deliver) }
            if !condition.withLock({ isAbandoned }) { try encoder?.finish(deliver) }
        } catch { failure = error }
        // Its pictures make room for the index and the head, so that the end isn't where the memory peaks.
        encoder = nil
        condition.withLock {
            self.failure = failure
            hasEnded = true
            condition.broadcast()
        }
    }

    /// The next picture; `nil` when no more will come.
    private func next() -> (frame: Frame, tick: Int64)? {
        condition.withLock {
            while waiting == nil, !isClosed { condition.wait() }
            guard !isAbandoned, let next = waiting else { return nil }
            waiting = nil
            condition.broadcast()
            return next
        }
    }

    private func deliver(_ packet: Packet) { condition.withLock { ready.append(packet) } }
}
