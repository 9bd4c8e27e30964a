import Media
import Postgres
import Testing
import Transfer

@testable import reelway

struct FailureTests {
    @Test(arguments: MediaError.Code.allCases)
    func `every code of the engine is one of the contract's`(code: MediaError.Code) {
        #expect(Failure(MediaError(code, "why")).code.rawValue == code.rawValue)
    }

    @Test(arguments: TransferError.Code.allCases)
    func `every code of a transfer is one of the contract's`(code: TransferError.Code) {
        let failure = Failure(TransferError(code, "why", retryAfter: 7))
        #expect(failure.code.rawValue == code.rawValue)
        #expect(failure.retryAfter == 7)
    }

    @Test func `a database that is away is worth another try, a refused statement is a fault of the program`() {
        #expect(Failure(PostgresError(.unavailable, "away")).code == .databaseUnavailable)
        #expect(Failure(PostgresError(.rejected(sqlState: "42601"), "syntax")).code == .internal)
    }

    @Test func `an unknown error tells its type and nothing it holds`() {
        struct Leaky: Error { let token = "planted" }
        let failure = Failure(Leaky())
        #expect(failure.code == .internal)
        #expect(!failure.description.contains("planted"))
    }

    @Test(arguments: [
        (ErrorCode.usage, 64), (.sourceCorrupt, 65), (.sourceHashMismatch, 65), (.inputNotFound, 66),
        (.databaseUnavailable, 69), (.internal, 70), (.outputExists, 73), (.sourceThrottled, 75),
        (.sourceAuth, 77), (.storageAuth, 77), (.cancelled, 130),
    ])
    func `exit statuses are those of sysexits`(code: ErrorCode, status: Int) {
        #expect(code.exitStatus == Int32(status))
    }
}
