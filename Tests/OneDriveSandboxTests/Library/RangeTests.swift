import Foundation
import LoopbackHTTP
@testable import OneDriveSandbox
import Testing

struct RangeTests {
    @Test(
        arguments: [
            ("bytes=0-0", 0..<1), ("bytes=0-", 0..<100), ("bytes=10-19", 10..<20), ("bytes=90-1000", 90..<100),
            ("bytes=-1", 99..<100), ("bytes=-1000", 0..<100), ("bytes=99-", 99..<100),
            ("bytes=9-9223372036854775807", 9..<100),
        ] as [(String, Range<Int64>)])
    func `a range is understood`(header: String, bytes: Range<Int64>) {
        #expect(RequestedRange(header, size: 100) == .bytes(bytes))
    }

    @Test(arguments: ["bytes=100-", "bytes=100-200", "bytes=-0"])
    func `a range beyond the end can't be satisfied`(header: String) {
        #expect(RequestedRange(header, size: 100) == .unsatisfiable)
    }

    @Test(arguments: [
        nil, "", "bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=--1",
    ])
    func `what is no range is ignored`(header: String?) {
        #expect(RequestedRange(header, size: 100) == .none)
    }

    @Test func `a range is answered with 206 and just these bytes`() async throws {
        try await Drive.with { drive async throws in
            for (header, bytes) in [
                ("0-0", 0..<1), ("500000-", 500_000..<1_000_003), ("-7", 999_996..<1_000_003),
                ("3-300002", 3..<300_003),
            ] {
                let answer = try await Curl.run(drive.url, "-r", header)
                #expect(answer.status == 206)
                #expect(answer.body == Drive.bytes[bytes])
                #expect(answer["Content-Range"] == "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/1000003")
                #expect(answer["Content-Length"] == "\(bytes.count)")
                #expect(answer["ETag"]?.isEmpty == false)
                #expect(answer["Accept-Ranges"] == "bytes")
            }
            let beyond = try await Curl.run(drive.url, "-r", "1000003-")
            #expect(beyond.status == 416)
            #expect(beyond["Content-Range"] == "bytes */1000003")
        }
    }

    @Test func `HEAD tells the length and sends nothing`() async throws {
        try await Drive.with { drive async throws in
            let answer = try await Curl.run(drive.url, "-I")
            #expect(answer.exit == 0)
            #expect(answer.status == 200)
            #expect(answer["Content-Length"] == "1000003")
            #expect(drive.sandbox.requests.last?.bytesSent == 0)
        }
    }

    @Test func `If-Range with another ETag gets everything`() async throws {
        try await Drive.with { drive async throws in
            let tag = try #require(try await Curl.run(drive.url, "-I")["ETag"])
            #expect(try await Curl.run(drive.url, "-r", "0-9", "-H", "If-Range: \(tag)").status == 206)
            #expect(try await Curl.run(drive.url, "-r", "0-9", "-H", "If-Range: \"x\"").body == Drive.bytes)
        }
    }

    @Test func `a host without ranges answers 200`() async throws {
        try await Drive.with {
            $0.supportsRanges = false
        } _: { drive async throws in
            let answer = try await Curl.run(drive.url, "-r", "5-9")
            #expect(answer.status == 200)
            #expect(answer.body == Drive.bytes)
            #expect(answer["Accept-Ranges"] == nil)
        }
    }
}
