import LoopbackHTTP
import OneDriveSandbox
import Testing

@testable import Transfer

/// Every fault of the sandbox: either the bytes come out the same, or a clear error does.
@Suite(.serialized)
struct FaultTests {
    enum Outcome: Equatable, Sendable {
        case identical
        case error(TransferError.Code)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var fault: Fault
        var outcome: Outcome
        var testDescription: String { "\(fault.action) ×\(fault.times == Fault.always ? "∞" : "\(fault.times)")" }

        init(_ action: Fault.Action, skip: Int = 0, times: Int = 1, _ outcome: Outcome) {
            fault = Fault(action, on: .download, skip: skip, times: times)
            self.outcome = outcome
        }
    }

    private static let size = 1_300_007
    private static let positions = [0, 1, 262_143, 262_144, 650_000, Int64(size) - 1, Int64(size)]

    static let passing: [Case] = positions.flatMap { at in
        [
            Case(.reset(at: at), .identical), Case(.close(at: at), .identical),
            Case(.stall(at: at, seconds: 30), .identical),
        ]
    }

    @Test(arguments: passing)
    func `a connection that breaks or stalls goes on from the byte reached`(test: Case) async throws {
        try await check(test)
    }

    @Test(
        arguments: [0, 1, 3].flatMap { skip in
            [
                Case(.hangUp, skip: skip, .identical), Case(.status(code: 500), skip: skip, .identical),
                Case(.status(code: 503), skip: skip, .identical),
                Case(.status(code: 429, retryAfter: 1), skip: skip, .identical),
                Case(.status(code: 401), skip: skip, .identical), Case(.status(code: 403), skip: skip, .identical),
                Case(.status(code: 410), skip: skip, .identical), Case(.expireURL, skip: skip, .identical),
                Case(.html(status: 500), skip: skip, .identical), Case(.html(status: 200), skip: skip, .identical),
                Case(.otherRange(by: 1000), skip: skip, .identical),
                Case(.otherRange(by: -1), skip: max(1, skip), .identical),
                Case(.contentRange(value: ""), skip: skip, .identical),
                Case(.contentRange(value: "bytes 5-4/9"), skip: skip, .identical),
                Case(.contentRange(value: "bytes 0-262143/*"), skip: skip, .identical),
                Case(.contentLength(by: 1), skip: skip, .identical),
                Case(.contentLength(by: -1), skip: skip, .identical),
                Case(.changedETag, skip: skip, .identical), Case(.delay(seconds: 0.2), skip: skip, .identical),
                Case(.status(code: 404), skip: skip, .identical),
                Case(.redirect(to: "https://login.example.com/x"), skip: skip, .identical),
                Case(.status(code: 418), skip: skip, .error(.sourceUnavailable)),
            ]
        })
    func `a refusal or a false answer is tried again, or told apart`(test: Case) async throws {
        try await check(test)
    }

    @Test(arguments: [1, 3])
    func `a server that forgets ranges in between is asked again`(skip: Int) async throws {
        try await check(Case(.ignoreRange, skip: skip, .identical))
    }

    @Test(arguments: [
        Case(.hangUp, times: Fault.always, .error(.sourceUnavailable)),
        Case(.status(code: 500), skip: 2, times: Fault.always, .error(.sourceUnavailable)),
        Case(.status(code: 429), skip: 2, times: Fault.always, .error(.sourceThrottled)),
        Case(.status(code: 429, retryAfter: 300), skip: 2, .error(.sourceThrottled)),
        Case(.status(code: 503), times: Fault.always, .error(.sourceThrottled)),
        Case(.status(code: 401), skip: 1, times: Fault.always, .error(.sourceAuth)),
        Case(.status(code: 403), skip: 1, times: Fault.always, .error(.sourceForbidden)),
        Case(.status(code: 404), skip: 1, times: Fault.always, .error(.inputNotFound)),
        Case(.html(status: 200), skip: 1, times: Fault.always, .error(.sourceUnavailable)),
        Case(.html(status: 200), times: Fault.always, .error(.sourceUnavailable)),
        Case(.ignoreRange, skip: 1, times: Fault.always, .error(.sourceUnavailable)),
        Case(.otherRange(by: 1000), times: Fault.always, .error(.sourceUnavailable)),
        Case(.contentRange(value: ""), skip: 1, times: Fault.always, .error(.sourceUnavailable)),
        Case(.size(by: 1), times: Fault.always, .error(.sourceChanged)),
        Case(.size(by: -1), skip: 1, times: Fault.always, .error(.sourceChanged)),
        Case(.size(by: 1000), skip: 2, times: Fault.always, .error(.sourceChanged)),
        Case(.changedETag, skip: 1, times: Fault.always, .identical),
        Case(.stall(at: 650_000, seconds: 30), times: Fault.always, .error(.sourceUnavailable)),
        Case(.reset(at: 650_000), times: Fault.always, .error(.sourceUnavailable)),
        Case(.close(at: 0), times: Fault.always, .error(.sourceUnavailable)),
        Case(.otherBytes(by: 1000), skip: 1, .error(.sourceHashMismatch)),
        Case(.flip(at: 0), .error(.sourceHashMismatch)),
        Case(.flip(at: 650_000), .error(.sourceHashMismatch)),
        Case(.flip(at: Int64(size) - 1), .error(.sourceHashMismatch)),
        Case(.redirect(to: "https://example.com/x"), skip: 1, times: Fault.always, .error(.sourceForbidden)),
        Case(.redirect(to: "file:///etc/passwd"), .error(.sourceForbidden)),
        Case(.redirect(to: "http://10.0.0.1/x"), .error(.sourceForbidden)),
        Case(.redirect(to: "http://[fe80::1]/x"), .error(.sourceForbidden)),
        Case(.redirect(to: "http://169.254.169.254/latest"), skip: 1, .error(.sourceForbidden)),
    ])
    func `what doesn't pass is given up with its own code`(test: Case) async throws {
        try await check(test)
    }

    private func check(_ test: Case) async throws {
        let drive = try await Drive.start(size: FaultTests.size)
        drive.sandbox.setFaults([test.fault])
        var outcome = Outcome.identical
        do {
            let bytes = try await drive.readAll()
            #expect(bytes == drive.bytes)
        } catch let error as TransferError {
            outcome = .error(error.code)
            #expect(!error.description.contains("tempauth"), "\(error)")
        }
        #expect(outcome == test.outcome)
        #expect(drive.sandbox.requests.contains { $0.fault != nil }, "the fault was never played")
        #expect(drive.sandbox.downloadRequests.allSatisfy { $0["Authorization"] == nil })
        await drive.stop()
    }
}
