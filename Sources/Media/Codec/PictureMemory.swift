internal import CFFmpeg
internal import Foundation

/// Memory for pictures of one size, in huge pages where Linux gives them.
///
/// A motion vector leads anywhere in a picture, and one of 4K in 10 bits lies on 6,000 small pages, more addresses than a
/// core keeps at hand: benchmarks/README.md has what they cost. Pictures lie side by side in slabs that begin where a huge
/// page does, as each for itself would leave part of its last page empty.
///
/// Lives until the last picture has come back.
final class PictureMemory: @unchecked Sendable {  // everything that changes is touched with the lock held
    private let stride: Int
    private let lock = NSLock()
    private var slabs: [Slab] = []
    private var free: [UnsafeMutableRawPointer] = []

    private struct Slab {
        let start: UnsafeMutableRawPointer
        let bytes: Int
    }

    /// x86-64's, and with 4 KiB pages ARM's.
    private static let hugePage = 2 << 20
    /// Untouched ones cost nothing but addresses.
    private static let picturesPerSlab = 8

    /// - Parameter pictureBytes: what each picture needs.
    init(pictureBytes: Int) { stride = (pictureBytes + 4095) & ~4095 }

    deinit { for slab in slabs { munmap(slab.start, slab.bytes) } }

    /// The memory of one picture, which comes back by itself with its last reference; `nil` where there is none left.
    /// What is in it is undefined.
    func buffer() -> UnsafeMutablePointer<AVBufferRef>? {
        guard let picture = take() else { return nil }
        let owner = Unmanaged.passRetained(self)
        let buffer = av_buffer_create(
            picture.assumingMemoryBound(to: UInt8.self), stride,
            { owner, picture in
                guard let owner, let picture else { return }
                Unmanaged<PictureMemory>.fromOpaque(owner).takeRetainedValue().giveBack(picture)
            }, owner.toOpaque(), 0)
        if buffer == nil {
            owner.release()
            giveBack(picture)
        }
        return buffer
    }

    /// The memory of one picture, to be given back; `nil` where there is none left. Of those that came back the last goes
    /// first: the caches know it best.
    func take() -> UnsafeMutableRawPointer? {
        lock.withLock {
            if free.isEmpty { addSlab() }
            return free.popLast()
        }
    }

    /// Makes a picture's memory another's.
    func giveBack(_ picture: UnsafeMutableRawPointer) { lock.withLock { free.append(picture) } }

    private func addSlab() {
        let needed = stride * Self.picturesPerSlab
        let bytes = needed + Self.hugePage
        let access = PROT_READ | PROT_WRITE
        guard let start = mmap(nil, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != UnsafeMutableRawPointer(bitPattern: -1)
        else { return }
        slabs.append(Slab(start: start, bytes: bytes))
        let first = start.alignedUp(toMultipleOf: Self.hugePage)
        // Where it is refused, small pages do.
        madvise(first, needed, MADV_HUGEPAGE)
        for index in (0..<Self.picturesPerSlab).reversed() { free.append(first + index * stride) }
    }
}
