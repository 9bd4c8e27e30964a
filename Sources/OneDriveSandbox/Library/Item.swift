import Foundation
import NIOPosix

/// A video of the folder, as the drive sees it now.
struct Item: Sendable {
    let name: String
    /// Where its bytes are.
    let path: String
    let size: Int64
    let modified: Date
    /// Counts replacements since the start.
    let contentRevision: Int
    /// Counts changes of properties since the start.
    let propertyRevision: Int

    /// The drive that all items lie in: 16 hex digits, as in a personal account.
    static let drive = "5A4D8C7B6E9F0123"

    /// Derived from the name alone, so that it is the same in every run; with `!`, as in a personal account.
    var id: String { Self.id(for: name) }
    /// Changes with content only.
    var cTag: String { "\"c:{\(guid)},\(version)\"" }
    /// Changes with content and properties.
    var eTag: String { "\"{\(guid)},\(version + propertyRevision)\"" }

    private var version: Int { Int(modified.timeIntervalSince1970 * 1000) + contentRevision }
    private var guid: String {
        let hex = Array(Self.digits(of: name).uppercased())
        let groups = [hex[0..<8], hex[8..<12], hex[12..<16], hex[16..<20], hex[20..<32]]
        return groups.map { String($0) }.joined(separator: "-")
    }

    static func id(for name: String) -> String { "\(drive)!s\(digits(of: name))" }

    /// 32 hex digits (FNV-1a, twice).
    private static func digits(of name: String) -> String {
        var halves: [UInt64] = [0xcbf2_9ce4_8422_2325, 0x9ae1_6a3b_2f90_404f]
        for byte in name.utf8 {
            for half in 0...1 { halves[half] = (halves[half] ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        return halves.map { value in
            let hex = String(value, radix: 16)
            return String(repeating: "0", count: 16 - hex.count) + hex
        }.joined()
    }

    /// The hash of the file's bytes, read in order on NIO's threads.
    func quickXorHash() async throws -> String {
        let path = path
        return try await NIOThreadPool.singleton.runIfActive {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? handle.close() }
            var hash = QuickXorHash()
            while let bytes = try handle.read(upToCount: 160 * 8192), !bytes.isEmpty {
                hash.update(bytes)
            }
            return hash.digest().base64EncodedString()
        }
    }
}
