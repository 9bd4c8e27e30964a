import Foundation

/// The repository this test target lies in.
enum Repository {
    static let root: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// The built program, beside the running test bundle.
    static let program: String = {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? ""
        let beside = (bundle as NSString).deletingLastPathComponent + "/reelway"
        return FileManager.default.isExecutableFile(atPath: beside) ? beside : root + "/.build/debug/reelway"
    }()
}

/// The clips of fixtures/README.md, made on first use.
enum Fixture {
    static let folder: String = {
        do {
            _ = try Shell.succeed("bash", [Repository.root + "/fixtures/generate.sh"], limit: 590)
        } catch {
            print("NOTICE: fixtures/generate.sh failed: \(error)")
        }
        return Repository.root + "/fixtures/clips"
    }()

    static func path(_ name: String) -> String { folder + "/" + name }

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
    }

    /// The names of all clips, or of those that begin so; where there are none, one that isn't there, so that the test that
    /// asks fails instead of having no case.
    static func names(_ prefix: String = "") -> [String] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let names = all.filter { $0.hasPrefix(prefix) && !$0.hasPrefix(".") && !$0.hasSuffix(".txt") }.sorted()
        return names.isEmpty ? [prefix + "none.mp4"] : names
    }
}

/// Real clips that nobody here made; they are beside the repository at development time only.
enum SharedMedia {
    static let folder: String? = {
        let path = URL(fileURLWithPath: Repository.root).deletingLastPathComponent().path + "/shared/media"
        if FileManager.default.fileExists(atPath: path) { return path }
        print("NOTICE: ../shared/media is absent; tests on real clips are skipped")
        return nil
    }()

    /// Paths below the folder, smallest file first.
    static let names: [String] = {
        guard let folder, let all = FileManager.default.enumerator(atPath: folder) else { return [] }
        let files = all.compactMap { $0 as? String }.filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: folder + "/" + $0, isDirectory: &isFolder)
                && !isFolder.boolValue && !$0.hasSuffix(".md")
        }
        func size(_ name: String) -> Int {
            (try? FileManager.default.attributesOfItem(atPath: folder + "/" + name))?[.size] as? Int ?? 0
        }
        return files.sorted { (size($0), $0) < (size($1), $1) }
    }()

    static func path(_ name: String) -> String { (folder ?? "") + "/" + name }
}
