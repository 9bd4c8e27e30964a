import Testing

@testable import Transfer

struct DownloadWindowTests {
    private static let mebi: Int64 = 1 << 20

    /// Fetches whatever the window wants at once, and reads from `offset` on as a reader would.
    private struct Session {
        var window: DownloadWindow
        let length: Int64
        var fetched: [Range<Int64>] = []

        mutating func fetch(wanted: Int64? = nil) {
            while let range = window.next(length: length, wanted: wanted) {
                guard let chunk = window.add(range, for: range.lowerBound == wanted ? .wanted : .ahead) else { return }
                fetched.append(range)
                let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: range.lowerBound >> 18), count: range.count)
                _ = bytes.withUnsafeBytes { chunk.append($0) }
            }
        }

        mutating func read(_ count: Int, at offset: Int64) {
            var buffer = [UInt8](repeating: 0, count: count)
            var place = offset
            while place < min(offset + Int64(count), length) {
                let rest = Int(min(offset + Int64(count), length) - place)
                let read = buffer.withUnsafeMutableBytes {
                    window.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<rest]), at: place)
                }
                if let read {
                    place += Int64(read)
                } else {
                    if window.chunk(at: place) == nil { _ = window.seek(to: place) }
                    fetch(wanted: place)
                }
            }
            fetch()
        }
    }

    private func session(limit: Int64 = 32 * mebi, length: Int64 = 1000 * mebi) -> Session {
        Session(window: DownloadWindow(limit: limit, connections: 2), length: length)
    }

    @Test func `the first fetches are small and grow while reading goes on`() {
        var session = session()
        session.read(1, at: 0)
        #expect(session.fetched == [0..<262_144, 262_144..<524_288])
        for step in 1..<400 { session.read(131_072, at: Int64(step) * 131_072) }
        let sizes = session.fetched.map(\.count)
        #expect(sizes == sizes.sorted())
        #expect(sizes.last == 4 << 20)
        #expect(zip(session.fetched, session.fetched.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    }

    @Test(arguments: [1, 2, 8, 32, 100])
    func `memory keeps to its limit, and half of it or more is ahead of a steady reader`(limit: Int64) {
        let limit = limit * DownloadWindowTests.mebi
        var session = session(limit: limit)
        for step in 0..<2000 {
            session.read(131_072, at: Int64(step) * 131_072)
            #expect(session.window.allocated <= limit)
        }
        let ahead = (session.fetched.last?.upperBound ?? 0) - session.window.position
        #expect(ahead >= limit / 2)
    }

    @Test func `a way back within the window costs nothing, one beyond it begins small`() {
        var session = session(limit: 8 * DownloadWindowTests.mebi)
        for step in 0..<200 { session.read(131_072, at: Int64(step) * 131_072) }
        let before = session.fetched.count
        session.read(131_072, at: session.window.position - 1_000_000)
        #expect(session.fetched.count == before)
        session.read(1000, at: 0)
        #expect(session.fetched.dropFirst(before).first == 0..<262_144)
    }

    @Test func `ranges never overlap nor pass the end`() {
        var random = SplitMix(seed: 11)
        let length = 9 * DownloadWindowTests.mebi + 77
        var session = session(limit: 3 * DownloadWindowTests.mebi, length: length)
        for _ in 0..<500 {
            session.read(Int.random(in: 1...400_000, using: &random), at: Int64.random(in: 0..<length, using: &random))
            let chunks = session.window.chunks
            #expect(zip(chunks, chunks.dropFirst()).allSatisfy { $0.end <= $1.start })
            #expect(session.window.allocated <= 3 * DownloadWindowTests.mebi)
        }
        #expect(session.fetched.allSatisfy { !$0.isEmpty && $0.lowerBound >= 0 && $0.upperBound <= length })
    }
}
