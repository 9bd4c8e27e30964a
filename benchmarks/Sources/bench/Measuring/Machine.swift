import FoundationEssentials
import Glibc

/// What the numbers were measured on.
struct Machine: Codable, Sendable, Equatable {
    var processor: String
    var cores: Int
    var memoryGiB: Double
    var system: String
    /// Names and versions of the programs compared.
    var programs: [String: String]

    static func current() throws -> Machine {
        let description = try Files.text("/proc/cpuinfo")
        let model = field("model name", of: description, by: ":") ?? "unknown processor"
        let system = (try? Files.text("/etc/os-release")).flatMap { field("PRETTY_NAME", of: $0, by: "=") } ?? "Linux"
        var name = utsname()
        uname(&name)
        let kernel = withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        let memory = Double(sysconf(Int32(_SC_PHYS_PAGES))) * Double(sysconf(Int32(_SC_PAGESIZE)))
        var programs = [
            "Reelway": try firstLine(Command(Workplace.reelway, ["--version"])),
            "ffmpeg 5.1": try version(Workplace.debianFFmpeg),
        ]
        // Not every part needs it.
        if let newest = try? Workplace.newestFFmpeg() { programs["ffmpeg 9"] = try version(newest) }
        return Machine(
            processor: model, cores: sysconf(Int32(_SC_NPROCESSORS_ONLN)),
            memoryGiB: (memory / 1_073_741_824).rounded(),
            system: "\(system), Linux \(kernel)",
            programs: programs)
    }

    private static func version(_ program: String) throws -> String {
        let words = try firstLine(Command(program, ["-version"])).split(separator: " ")
        return words.count > 2 ? String(words[2]) : "unknown"
    }

    private static func firstLine(_ command: Command) throws -> String {
        String(try command.text().split(separator: "\n").first ?? "")
    }

    private static func field(_ name: String, of text: String, by separator: Character) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let value = line.split(separator: separator, maxSplits: 1).last ?? ""
            return value.trimming { $0 == " " || $0 == "\"" || $0 == "\t" }
        }
        return nil
    }
}

extension Substring {
    func trimming(_ isTrimmed: (Character) -> Bool) -> String {
        var rest = drop(while: isTrimmed)
        while let last = rest.last, isTrimmed(last) { rest.removeLast() }
        return String(rest)
    }
}
