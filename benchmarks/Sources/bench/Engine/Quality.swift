/// How near a picture is to its source, by the newest ffmpeg's filters.
struct Quality {
    var vmaf: Double
    var psnr: Double
    var ssim: Double

    /// Compares picture by picture: both files have to hold the same number of them.
    /// - Parameter every: only every so many pictures count for VMAF.
    init(of path: String, against reference: String, every: Int = 1) throws {
        let counts = try [path, reference].map(Quality.pictures)
        guard counts[0] == counts[1] else {
            throw BenchError("\(path) has \(counts[0]) pictures, its source \(counts[1]): they can't be compared")
        }
        // Numbered, not timed: a container's offset must not shift one against the other.
        let aligned = "settb=1/30,setpts=N,scale=1920:1080:flags=bicubic,format=yuv420p,split=3"
        let graph =
            "[0:v]\(aligned)[a1][a2][a3];[1:v]\(aligned)[b1][b2][b3];"
            + "[a1][b1]libvmaf=n_threads=2:n_subsample=\(every)[v];[a2][b2]psnr[p];[a3][b3]ssim[s]"
        let arguments =
            ["-nostdin", "-hide_banner", "-nostats", "-i", path, "-i", reference, "-lavfi", graph]
            + ["v", "p", "s"].flatMap { ["-map", "[\($0)]", "-f", "null", "-"] }
        let child = try Child(Command(try Workplace.newestFFmpeg(), arguments))
        _ = try child.finish()
        let said = child.errors
        vmaf = try Quality.number(after: "VMAF score: ", in: said)
        psnr = try Quality.number(after: "average:", in: said)
        ssim = try Quality.number(after: "All:", in: said)
    }

    var figures: [Figure] {
        [Figure(name: "VMAF", value: vmaf), Figure(name: "PSNR dB", value: psnr), Figure(name: "SSIM", value: ssim)]
    }

    private static func pictures(_ path: String) throws -> Int {
        let text = try Command(
            "ffprobe",
            [
                "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries", "stream=nb_read_packets",
                "-of", "csv=p=0", path,
            ]
        ).text()
        guard let count = Int(text.filter(\.isNumber)) else { throw BenchError("\(path) has no picture") }
        return count
    }

    private static func number(after name: String, in text: String) throws -> Double {
        // The last: the graph's own lines may hold the name too.
        guard let place = text.ranges(of: name).last,
            let value = Double(text[place.upperBound...].prefix { $0.isNumber || $0 == "." })
        else { throw BenchError("ffmpeg printed no \(name)\n\(text.suffix(400))") }
        return value
    }
}
