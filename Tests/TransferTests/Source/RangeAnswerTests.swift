import Testing

@testable import Transfer

struct RangeAnswerTests {
    private let asked: Range<Int64> = 100..<200

    private func judge(
        _ status: Int, _ headers: [(String, String)], length: Int64? = 1000,
        version: [(String, String)] = [("ETag", "\"a\"")], hasRanges: Bool = true, canRenew: Bool = false
    ) -> RangeAnswer {
        RangeAnswer.judge(
            head(status, headers), asked: asked,
            known: .init(
                name: "clip", length: length, version: .init(head(200, version)), hasRanges: hasRanges,
                canRenew: canRenew), now: 0)
    }

    private func head(_ status: Int, _ headers: [(String, String)]) -> HTTPHead {
        HTTPHead(status: status, headers: headers.map { (name: $0.0, value: $0.1) })
    }

    @Test func `the range asked for, or the front of it, is taken`() {
        #expect(judge(206, [("Content-Range", "bytes 100-199/1000")]) == .bytes(end: 200, total: 1000))
        #expect(judge(206, [("content-range", "Bytes 100-149/1000")]) == .bytes(end: 150, total: 1000))
        #expect(judge(206, [("Content-Range", "bytes 100-199/1000")], length: nil) == .bytes(end: 200, total: 1000))
        #expect(
            judge(206, [("Content-Range", "bytes 100-199/1000"), ("ETag", "W/\"a\""), ("Content-Length", "100")])
                == .bytes(end: 200, total: 1000))
    }

    @Test(arguments: [
        "", "bytes 99-199/1000", "bytes 101-199/1000", "bytes 0-99/1000", "bytes 100-200/1000", "bytes 100-999/1000",
        "bytes 100-199/*", "bytes */1000", "bytes 199-100/1000", "100-199/1000", "bytes 100-199", "bytes -100-199/1000",
        "bytes 100-199/150", "bytes 100-199/9223372036854775807", "bytes 100-99999999999999999999/1000",
        "items 100-199/1000", "bytes 1 00-199/1000",
    ])
    func `another range or none is never taken`(value: String) {
        let answer = judge(206, [("Content-Range", value)])
        guard case .retry(.damage, let error) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(error.code == .sourceUnavailable)
    }

    @Test func `a contradiction about the length is noticed`() {
        guard case .retry = judge(206, [("Content-Range", "bytes 100-199/1000"), ("Content-Length", "99")]) else {
            Issue.record("taken")
            return
        }
    }

    @Test(
        arguments: [
            (206, [("Content-Range", "bytes 100-199/1001")]), (206, [("Content-Range", "bytes 100-199/200")]),
            (206, [("Content-Range", "bytes 100-199/1000"), ("ETag", "\"b\"")]),
            (416, [("Content-Range", "bytes */90")]),
        ] as [(Int, [(String, String)])])
    func `another length or version is a changed file`(status: Int, headers: [(String, String)]) {
        guard case .refused(let error) = judge(status, headers) else {
            Issue.record("taken")
            return
        }
        #expect(error.code == .sourceChanged)
    }

    @Test(
        arguments: [
            ([("ETag", "\"a\"")], [("Last-Modified", "Thursday")], false),
            ([("Last-Modified", "Monday")], [("ETag", "\"a\"")], false),
            ([("ETag", "\"a\""), ("Last-Modified", "Monday")], [("Last-Modified", "Thursday")], true),
            ([("ETag", "\"a\""), ("Last-Modified", "Monday")], [("Last-Modified", "Monday")], false),
            (
                [("ETag", "\"a\""), ("Last-Modified", "Monday")], [("ETag", "\"a\""), ("Last-Modified", "Thursday")],
                false
            ),
            ([("Last-Modified", "Monday")], [("Last-Modified", "Thursday")], true),
            ([("ETag", "\"a\"")], [], false),
        ] as [([(String, String)], [(String, String)], Bool)])
    func `a version is compared by what both answers tell of it`(
        first: [(String, String)], then: [(String, String)], isAnother: Bool
    ) {
        let answer = judge(206, [("Content-Range", "bytes 100-199/1000")] + then, version: first)
        if isAnother {
            guard case .refused(let error) = answer else {
                Issue.record("\(answer)")
                return
            }
            #expect(error.code == .sourceChanged)
        } else {
            #expect(answer == .bytes(end: 200, total: 1000))
        }
    }

    @Test func `a page is the end of an address that can be renewed, and a stumble of any other`() {
        for canRenew in [true, false] {
            switch judge(200, [("Content-Type", "text/html")], hasRanges: false, canRenew: canRenew) {
            case .refused(let error) where canRenew: #expect(error.code == .sourceUnavailable)
            case .retry(.damage, let error) where !canRenew: #expect(error.code == .sourceUnavailable)
            default: Issue.record("taken")
            }
        }
    }

    @Test func `the whole file is only taken at the start`() {
        #expect(judge(200, [("Content-Length", "1000")], hasRanges: false) == .whole(length: 1000))
        #expect(judge(200, [], length: nil, version: [], hasRanges: false) == .whole(length: nil))
        guard case .retry(.damage, _) = judge(200, [("Content-Length", "1000")]) else {
            Issue.record("taken")
            return
        }
        guard case .retry(.damage, _) = judge(200, [("Content-Type", "text/html")], hasRanges: false) else {
            Issue.record("taken")
            return
        }
    }

    @Test func `an empty file is empty`() {
        #expect(judge(416, [("Content-Range", "bytes */0")], length: nil, version: [], hasRanges: false) == .empty)
        #expect(judge(416, [("Content-Range", "bytes */0")], length: 0, version: [], hasRanges: false) == .empty)
    }

    @Test(
        arguments: [
            (401, .sourceAuth), (403, .sourceForbidden), (404, .inputNotFound), (410, .inputNotFound),
            (400, .sourceUnavailable),
            (429, .sourceThrottled), (503, .sourceThrottled), (509, .sourceThrottled), (500, .sourceUnavailable),
            (502, .sourceUnavailable), (408, .sourceUnavailable), (204, .sourceUnavailable), (302, .sourceUnavailable),
        ] as [(Int, TransferError.Code)])
    func `a status has its code`(status: Int, code: TransferError.Code) {
        switch judge(status, []) {
        case .fail(let error), .refused(let error), .retry(_, let error): #expect(error.code == code)
        default: Issue.record("taken")
        }
    }

    @Test func `what the server asks to wait for is passed on`() {
        guard case .retry(let fault, let error) = judge(429, [("Retry-After", "41")]) else {
            Issue.record("taken")
            return
        }
        #expect(fault == .status(429, retryAfter: 41))
        #expect(error.retryAfter == 41)
    }
}

struct IntervalSetTests {
    @Test func `only what is new comes back, however it is cut`() {
        var generator = SplitMix(seed: 3)
        for _ in 0..<200 {
            var set = IntervalSet()
            var seen = Set<Int64>()
            for _ in 0..<20 {
                let start = Int64.random(in: 0..<60, using: &generator)
                let range = start..<start + Int64.random(in: 0..<12, using: &generator)
                let fresh = Set(set.insert(range).flatMap { Array($0) })
                #expect(fresh == Set(range).subtracting(seen))
                seen.formUnion(range)
                #expect(Set(set.ranges.flatMap { Array($0) }) == seen)
                #expect(zip(set.ranges, set.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
                #expect(Set(set.gaps(below: 50).flatMap { Array($0) }) == Set(0..<50).subtracting(seen))
            }
        }
    }
}
