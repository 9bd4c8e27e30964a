import Foundation

/// How many videos this machine can do at once.
enum Capacity {
    /// What one video may need at its worst: a 4K 10-bit source, its decoder's references and x264's lookahead, the
    /// download window and four parts.
    private static let bytesPerVideo: Int64 = 900 << 20

    /// Two at least, so that a copy needn't wait for a long encode; half the cores at most, since each encode keeps two
    /// busy; and no more than fit into memory.
    static func videosAtOnce(cores: Int, memory: Int64?) -> Int {
        let byCores = max(2, cores / 2)
        guard let memory else { return byCores }
        return max(1, min(byCores, Int(memory / bytesPerVideo)))
    }

    /// The machine's memory, or less where a control group bounds the process.
    static var memory: Int64? {
        let physical = Int64(clamping: ProcessInfo.processInfo.physicalMemory)
        let bounds = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"].compactMap { path in
            (try? String(contentsOfFile: path, encoding: .utf8))
                .flatMap { Int64($0.filter { !$0.isWhitespace }) }
        }
        return ([physical] + bounds).filter { $0 > 0 }.min()
    }
}
