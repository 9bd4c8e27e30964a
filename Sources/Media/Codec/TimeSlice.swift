internal import CLinux

/// How long a thread may run in one go while others wait for the core.
enum TimeSlice {
    /// Lets threads that wake up go before the calling one and those it starts from now on.
    ///
    /// Since 6.12 Linux has a waking thread interrupt one whose slice is longer. Else it waits for the end of the slice,
    /// 3 ms each time, and an answer takes half a dozen such turns through server and database. Each thread's share of the
    /// cores stays as it is. Older kernels take no notice.
    static func lengthen() { reelway_set_thread_slice(long) }

    /// Nanoseconds: longer than Linux's own, which is 3 ms at most; a thread that has had its share waits for whole ones.
    static let long: UInt64 = 6_000_000

    /// The calling thread's, in nanoseconds; 0 where the kernel doesn't tell.
    static var current: UInt64 { reelway_thread_slice() }
}
