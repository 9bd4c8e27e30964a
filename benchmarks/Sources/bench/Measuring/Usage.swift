import Glibc

/// What one run of a program took.
struct Usage: Codable, Sendable {
    /// Seconds from start to end.
    var wall: Double
    /// Processor seconds, of user and kernel together.
    var cpu: Double
    /// Of these the kernel's.
    var systemSeconds: Double
    /// Most resident bytes; `nil` where it can't be told from those of the bench itself (see `Usage.leak`).
    var peakBytes: Int64?
    /// Bytes that went, or will go, to a disk: /proc/PID/io write_bytes.
    var diskBytes: Int64?
    /// Blocks of 512 bytes written, as getrusage counts them.
    var outputBlocks: Int
    /// Calls of the read family and of the write family, sockets among them only where read and write are used.
    var readCalls: Int64?
    var writeCalls: Int64?
    /// Bytes that the read family gave, from the page cache too.
    var readBytes: Int64?

    init(wall: Double, account: rusage, traffic: ProcessTraffic) {
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        self.wall = wall
        systemSeconds = seconds(account.ru_stime)
        cpu = seconds(account.ru_utime) + systemSeconds
        let peak = Int64(account.ru_maxrss) * 1024
        peakBytes = peak > Usage.leak() ? peak : nil
        outputBlocks = Int(account.ru_oublock)
        diskBytes = traffic.values["write_bytes"]
        readCalls = traffic.values["syscr"]
        readBytes = traffic.values["rchar"]
        writeCalls = traffic.values["syscw"]
    }

    /// The peak that a child inherits: exec carries the memory mark of the process that spawned it over to the program, so
    /// a program that needs less than the bench can't be measured.
    private static func leak() -> Int64 {
        var account = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &account)
        return Int64(account.ru_maxrss) * 1024
    }
}

extension [Double] {
    /// The middle value; of an even number the mean of the two in the middle.
    var median: Double {
        guard !isEmpty else { return .nan }
        let ordered = sorted()
        return (ordered[(count - 1) / 2] + ordered[count / 2]) / 2
    }

    /// The value below which `share` of them lie, by nearest rank.
    func percentile(_ share: Double) -> Double {
        guard !isEmpty else { return .nan }
        return sorted()[Swift.min(count - 1, Swift.max(0, Int((Double(count) * share).rounded(.up)) - 1))]
    }
}
