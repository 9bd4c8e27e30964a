import FoundationEssentials
import Glibc

/// Where things are: the bench runs in the repository's folder.
enum Workplace {
    static let root = FileManager.default.currentDirectoryPath
    static let folder = root + "/out/bench"
    /// Measured rows that are kept.
    static let results = root + "/benchmarks/results"
    static let readme = root + "/benchmarks/README.md"
    static let reelway = root + "/.build/release/reelway"
    static let sandbox = root + "/.build/release/onedrive-sandbox"
    static let proxy = root + "/.build/release/storage-proxy"
    static let allocationCounter = root + "/benchmarks/.build/release/libAllocationCounter.so"
    /// Debian's.
    static let debianFFmpeg = "ffmpeg"

    /// A path for a file that is of use only now.
    static func scratch(_ name: String) -> String { "\(scratchFolder)/\(name)" }
    private static let scratchFolder = "\(folder)/scratch-\(getpid())"

    /// Takes away what was of use only to this process.
    static func clear() { Files.remove(scratchFolder) }

    /// Checks that it is started in the right place, with a program to measure.
    static func prepare() throws {
        guard Files.exists(root + "/benchmarks/Package.swift") else {
            throw BenchError("start it in the repository's folder: make bench")
        }
        guard Files.exists(reelway) else { throw BenchError("build the program first: make release") }
        // What a bench that was killed has left.
        for name in Files.names(in: folder) where name.hasPrefix("scratch-") {
            if !Files.exists("/proc/" + name.dropFirst("scratch-".count)) { Files.remove("\(folder)/\(name)") }
        }
        try Files.makeFolder(scratchFolder)
        try Files.makeFolder(folder + "/results")
        try Files.makeFolder(results)
    }

    /// Whether the processor has AVX-512.
    static func hasAVX512() throws -> Bool { try Command("cat", ["/proc/cpuinfo"]).text().contains(" avx512f ") }

    /// The newest ffmpeg program, from PyPI.
    static func newestFFmpeg() throws -> String {
        let binaries = root + "/.tools/imageio-ffmpeg/imageio_ffmpeg/binaries"
        guard let name = Files.names(in: binaries).last(where: { $0.hasPrefix("ffmpeg-") }) else {
            throw BenchError("install the newest ffmpeg first: make .tools/imageio-ffmpeg")
        }
        return binaries + "/" + name
    }
}
