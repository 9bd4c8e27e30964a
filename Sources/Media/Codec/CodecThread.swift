import Foundation

/// A codec on a thread of its own: while it takes one item in, its caller prepares the next.
///
/// ```
/// caller ─put─▶ [ items that wait ] ─▶ thread: work(item) … end()
/// ```
///
/// libavcodec and x264 work with threads of their own, but whoever calls them waits for these. One thread waiting for
/// several codecs in turn leaves a core idle now and then.
final class CodecThread<Item> {
    private let exchange: Exchange<Item>

    /// - Parameters:
    ///   - name: the thread's.
    ///   - limit: items that may wait before `put` does.
    ///   - work: called on the thread with each item; what it uses belongs to the thread until `finish` returns.
    ///   - end: called on the thread when all items are done.
    init(named name: String, limit: Int, _ work: @escaping (Item) throws -> Void, end: @escaping () throws -> Void) {
        let exchange = Exchange(limit: limit, work, end)
        self.exchange = exchange
        let thread = Thread { exchange.run() }
        thread.name = name
        thread.start()
    }

    /// Waits until the thread has left the codec, which takes an item's time at most.
    deinit { exchange.close(abandoning: true) }

    /// Hands an item over; waits while too many do. Throws what the work on an earlier one threw.
    func put(_ item: Item) throws { try exchange.put(item) }

    /// Waits until everything has been done. Throws what the work threw.
    func finish() throws {
        exchange.close(abandoning: false)
        try exchange.checkFailure()
    }
}

/// What caller and thread hand each other.
///
/// Sendable: all mutable state is guarded by `condition`; `work` and `end` are called by the thread alone.
private final class Exchange<Item>: @unchecked Sendable {
    private let limit: Int
    private var work: ((Item) throws -> Void)?
    private var end: (() throws -> Void)?
    private let condition = NSCondition()
    private var waiting: [Item] = []
    private var failure: (any Error)?
    private var isClosed = false
    private var isAbandoned = false
    private var hasEnded = false

    init(limit: Int, _ work: @escaping (Item) throws -> Void, _ end: @escaping () throws -> Void) {
        self.limit = limit
        self.work = work
        self.end = end
    }

    func put(_ item: Item) throws {
        try condition.withLock {
            while waiting.count >= limit, !hasEnded { condition.wait() }
            if let failure { throw failure }
            waiting.append(item)
            condition.broadcast()
        }
    }

    /// - Parameter abandoning: leave what waits, and what the codec holds, undone.
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

    /// The thread's life.
    func run() {
        var failure: (any Error)?
        do {
            while let item = next() { try work?(item) }
            if !condition.withLock({ isAbandoned }) { try end?() }
        } catch { failure = error }
        // What the codec holds makes room for the index and the head: the end must not be where the memory peaks.
        (work, end) = (nil, nil)
        condition.withLock {
            self.failure = failure
            hasEnded = true
            waiting = []
            condition.broadcast()
        }
    }

    /// The next item; `nil` when no more will come.
    private func next() -> Item? {
        condition.withLock {
            while waiting.isEmpty, !isClosed { condition.wait() }
            guard !isAbandoned, !waiting.isEmpty else { return nil }
            defer { condition.broadcast() }
            return waiting.removeFirst()
        }
    }
}
