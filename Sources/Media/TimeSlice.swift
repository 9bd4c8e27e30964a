internal import CLinux

/// How long a thread may run in one go while others wait for the core.
enum TimeSlice {
    /// Lets threads that wake up go before the calling one and those it starts from now on.
    ///
    /// Since 6.12 Linux has a waking thread interrupt one whose slice is longer; until then it waits for the end of
    /// the slice, 3 ms each time, and an answer takes half a dozen such turns through server and database. The share of the
    /// core stays: work in a slice of 20 ms is interrupted more readily, not less often given its turn. Other systems and
    /// older kernels don't mind.
    static func lengthen() { reelway_set_thread_slice(long) }

    /// Nanoseconds. Linux takes 0.1 to 100 ms.
    static let long: UInt64 = 20_000_000

    /// The calling thread's, in nanoseconds; 0 where the kernel doesn't tell.
    static var current: UInt64 { reelway_thread_slice() }
}
