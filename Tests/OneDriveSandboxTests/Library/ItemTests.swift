import Foundation
@testable import OneDriveSandbox
import Testing

struct ItemTests {
    @Test func `an item's properties are those of its file`() async throws {
        try await Drive.with { drive async throws in
            let item = try await drive.graph(drive.itemPath).json
            #expect(item["name"] as? String == "clip.mp4")
            #expect(item["size"] as? Int64 == Drive.size)
            let hashes = (item["file"] as? [String: Any])?["hashes"] as? [String: Any]
            #expect(hashes?["quickXorHash"] as? String == bitwiseHash(Drive.bytes))
            let url = try #require(item["@microsoft.graph.downloadUrl"] as? String)
            #expect(try await Curl.run(url).body == Drive.bytes)

            let list = try await drive.graph("/me/drive/root/children").json["value"] as? [[String: Any]]
            #expect(list?.map { $0["id"] as? String } == [drive.sandbox.itemID(for: "clip.mp4")])
            let named = try await drive.graph("/drives/\(drive.sandbox.driveID)/root:/clip.mp4").json
            #expect(named["id"] as? String == drive.sandbox.itemID(for: "clip.mp4"))
        }
    }

    @Test func `content redirects to the download host`() async throws {
        try await Drive.with { drive async throws in
            let answer = try await drive.graph(drive.itemPath + "/content")
            #expect(answer.status == 302)
            let location = try #require(answer["Location"])
            #expect(URL(string: location)?.port != URL(string: drive.sandbox.graphURL)?.port)
            #expect(try await Curl.run(location).body == Drive.bytes)
            let tag = try #require(drive.sandbox.cTag(of: "clip.mp4"))
            #expect(try await drive.graph(drive.itemPath + "/content", "If-None-Match: \(tag)").status == 304)
        }
    }

    @Test func `replacing changes everything, touching only the eTag`() async throws {
        try await Drive.with { drive async throws in
            let before = try await drive.graph(drive.itemPath).json
            drive.sandbox.touch("clip.mp4")
            let touched = try await drive.graph(drive.itemPath).json
            #expect(touched["cTag"] as? String == before["cTag"] as? String)
            #expect(touched["eTag"] as? String != before["eTag"] as? String)

            let url = drive.url
            let other = noise(5000, seed: 9)
            try other.write(to: URL(fileURLWithPath: drive.folder + "/.other"))
            drive.sandbox.replace("clip.mp4", with: drive.folder + "/.other")
            let after = try await drive.graph(drive.itemPath).json
            #expect(after["id"] as? String == before["id"] as? String)
            #expect(after["cTag"] as? String != before["cTag"] as? String)
            #expect(after["size"] as? Int == 5000)
            #expect(try await drive.sandbox.quickXorHash(of: "clip.mp4") == bitwiseHash(other))
            #expect(try await Curl.run(url).body == other)
        }
    }

    @Test func `the hash is Microsoft's`() {
        var hash = QuickXorHash()
        #expect(hash.digest() == Data(count: 20))
        hash.update(Data("hello world".utf8))
        #expect(hash.digest().base64EncodedString() == "aCgDG9jwBhDc4Q1yawMZAAAAAAA=")
        for size in [1, 159, 160, 161, 4321] {
            var hash = QuickXorHash()
            let bytes = noise(size, seed: UInt64(size))
            hash.update(bytes.prefix(size / 160 * 160 / 2 / 160 * 160))
            hash.update(bytes.dropFirst(size / 160 * 160 / 2 / 160 * 160))
            #expect(hash.digest().base64EncodedString() == bitwiseHash(bytes))
        }
    }

    /// The definition, bit for bit.
    private func bitwiseHash(_ bytes: Data) -> String {
        var bits = [Bool](repeating: false, count: 160)
        for (index, byte) in bytes.enumerated() {
            for bit in 0..<8 where byte >> bit & 1 == 1 { bits[(11 * index + bit) % 160].toggle() }
        }
        for bit in 0..<64 where bytes.count >> bit & 1 == 1 { bits[96 + bit].toggle() }
        let ring = (0..<20).map { place in
            (0..<8).reduce(UInt8(0)) { $0 | (bits[place * 8 + $1] ? 1 << $1 : 0) }
        }
        return Data(ring).base64EncodedString()
    }
}
