import Testing

@testable import Transfer

struct HTTPDateTests {
    @Test(
        arguments: [
            ("Tue, 24 Nov 2026 13:50:46 GMT", 1_795_528_246), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 31 Dec 1969 23:59:59 GMT", -1), ("2026-11-24T13:50:46Z", nil), ("", nil),
        ] as [(String, Int64?)])
    func `the date of a header is read, and nothing else`(text: String, seconds: Int64?) {
        #expect(HTTPDate.seconds(text) == seconds)
    }
}
