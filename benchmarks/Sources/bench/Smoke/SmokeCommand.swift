import ArgumentParser

/// What must hold on every machine: counts of bytes, requests and calls, no times. Fails when a threshold is passed.
///
/// Needs a store (Tests/services/run seaweedfs) and no natural clips: ffmpeg draws the sources.
struct SmokeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smoke", abstract: "Check counts that depend on no machine; fails where one is too high.")

    func run() throws {
        try Workplace.prepare()
        defer { Workplace.clear() }
        var result = CaseResult(
            name: "smoke", title: "Counts that depend on no machine", date: Today.text, machine: try Machine.current(),
            isQuick: true)
        for step in [
            SmokeCommand.start, SmokeCommand.inspect, SmokeCommand.copyToStore, SmokeCommand.copyOfFile,
            SmokeCommand.encode, SmokeCommand.allocations,
        ] {
            try step(&result)
        }
        print(ResultTable.targets([result]))
        let missed = result.targets.filter { !$0.isMet }
        guard missed.isEmpty else {
            throw BenchError("too high: \(missed.map(\.what).joined(separator: "; "))")
        }
    }

    /// 40 MB that conform, the index in front or at the end.
    private static func conforming(indexInFront: Bool) throws -> String {
        try NaturalClips.make(
            "drawn-\(indexInFront ? "front" : "end").mp4",
            [
                "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30,noise=alls=30:allf=t", "-f", "lavfi", "-i",
                "sine=r=48000",
                "-t", "20", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "16M", "-maxrate", "18M", "-bufsize",
                "16M",
                "-bf", "0", "-g", "30", "-profile:v", "high", "-x264-params", "8x8dct=1", "-pix_fmt", "yuv420p",
                "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-c:a", "aac", "-b:a",
                "128k",
            ] + (indexInFront ? ["-movflags", "+faststart"] : []))
    }

    /// Debian's libavcodec and libavformat bring most of them; libavfilter would bring thirty more.
    private static func start(_ result: inout CaseResult) throws {
        let list = try Command(Workplace.reelway, ["--version"], environment: ["LD_TRACE_LOADED_OBJECTS": "1"]).text()
        result.demand(
            "5.7", "start: libraries loaded", atMost: 155, Double(list.split(separator: "\n").count), "")
    }

    private static func inspect(_ result: inout CaseResult) throws {
        let file = try conforming(indexInFront: false)
        let drive = try OneDriveStandIn(serving: [file])
        try Command(
            Workplace.reelway, ["inspect", "onedrive:\(try drive.item(file))"], environment: drive.environment
        ).run()
        let downloads = try drive.stop().filter { $0.path.hasPrefix("/personal/") }
        let bytes = downloads.map(\.bytesSent).reduce(0, +)
        result.demand(
            "5.7", "inspect of a remote file: MiB sent by the server", atMost: 2, Double(bytes) / 1_048_576, "MiB")
        result.demand("5.7", "inspect of a remote file: downloads", atMost: 8, Double(downloads.count), "")
    }

    private static func copyToStore(_ result: inout CaseResult) throws {
        let file = try conforming(indexInFront: false)
        let size = Double(try Files.size(file))
        let (drive, link) = (try OneDriveStandIn(serving: [file]), try StoreLink())
        var own = Programs.reelway(
            "onedrive:\(try drive.item(file))", link.object("smoke.mp4"))
        own.environment = drive.environment.merging(link.environment) { $1 }
        let usage = try own.run()
        let sent = try drive.stop().filter { $0.path.hasPrefix("/personal/") }.map(\.bytesSent).reduce(0, +)
        let passed = try link.stop()
        let parts = passed.filter { $0.subject?.hasPrefix("UploadPart ") ?? false }
        let received = Double(passed.map(\.bytesReceived).reduce(0, +))
        result.demand("3", "copy into the store: bytes read of the source's", atMost: 1.02, Double(sent) / size, "×")
        result.demand("3", "copy into the store: bytes sent of the source's", atMost: 1.02, received / size, "×")
        // An encode would send less.
        result.demand("3", "copy into the store: bytes sent, since it is a copy", atLeast: 0.98, received / size, "×")
        result.demand("3", "copy into the store: bytes to disk", atMost: 0, Double(usage.diskBytes ?? 0), "")
        result.demand(
            "3", "copy into the store: parts beyond what parts of 8 MiB alone would need", atMost: 2,
            Double(parts.count) - size / 8_388_608, "")
        result.demand(
            "3", "copy into the store: requests besides those of the parts", atMost: 5,
            Double(passed.count - parts.count), "")
    }

    private static func copyOfFile(_ result: inout CaseResult) throws {
        let file = try conforming(indexInFront: true)
        let mebibytes = Double(try Files.size(file)) / 1_048_576
        let usage = try Programs.reelway(file, Programs.output("smoke-copy")).run()
        let calls = Double((usage.readCalls ?? 0) + (usage.writeCalls ?? 0))
        result.demand("5", "copy of a file: calls to read and write a MiB", atMost: 25, calls / mebibytes, "")
        result.demand(
            "5", "copy of a file: bytes read of the source's", atMost: 1.05,
            Double(usage.readBytes ?? 0) / mebibytes / 1_048_576, "×")
        result.demand(
            "5", "copy of a file: bytes to disk of the source's", atMost: 1.02,
            Double(usage.diskBytes ?? 0) / mebibytes / 1_048_576, "×")
    }

    private static func encode(_ result: inout CaseResult) throws {
        let file = try conforming(indexInFront: true)
        let size = Double(try Files.size(file))
        let output = Programs.output("smoke-encode")
        let usage = try Programs.reelway(file, output, ["--force-encode", "--preset", "ultrafast"]).run()
        let written = Double(try Files.size(output))
        result.demand(
            "5", "encode of a file: bytes read of the source's", atMost: 1.05, Double(usage.readBytes ?? 0) / size, "×")
        result.demand(
            "5", "encode of a file: bytes to disk of the result's", atMost: 1.02,
            Double(usage.diskBytes ?? 0) / written, "×")
    }

    /// What a longer clip asks of malloc beyond a shorter one: pictures come out of pools, whichever way they go.
    private static func allocations(_ result: inout CaseResult) throws {
        let (short, long) = (120.0, 180.0)
        for (name, source, most, mostBytes) in [
            ("encode", ["-pix_fmt", "yuv420p"], 130.0, 0.35),
            ("encode of 10 bits", ["-pix_fmt", "yuv420p10le"], 130, 0.35),
        ] {
            let counts = try [short, long].map { pictures in
                let clip = try NaturalClips.make(
                    "drawn-\(name.replacing(" ", with: "-"))-\(Int(pictures)).mp4",
                    ["-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30,noise=alls=30:allf=t", "-t", "\(pictures / 30)"]
                        + ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "16M"] + source)
                let counted = Workplace.scratch("allocations.txt")
                var own = Programs.reelway(clip, Programs.output("smoke-allocations"), ["--force-encode"])
                own.environment = ["LD_PRELOAD": Workplace.allocationCounter, "ALLOCATION_COUNTS": counted]
                try own.run()
                return try Files.text(counted).split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
            }
            guard counts.allSatisfy({ $0.count == 2 }) else { throw BenchError("allocations were not counted") }
            let pictures = long - short
            result.demand(
                "5", "\(name): allocations a picture, codecs and all", atMost: most,
                (counts[1][0] - counts[0][0]) / pictures, "")
            // A picture of 1280x720 at 4:2:0 has 1.5 bytes a pixel.
            result.demand(
                "5", "\(name): bytes allocated a picture, of the picture's own", atMost: mostBytes,
                (counts[1][1] - counts[0][1]) / pictures / (1280 * 720 * 1.5), "×")
        }
    }
}
