import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Synchronization
import Testing

@testable import Transfer

@Suite(.serialized)
struct OneDriveTests {
    @Test func `an item is told with what proves its bytes`() async throws {
        let drive = try await Drive.start(size: 12_345)
        let item = try await drive.item
        #expect(item.name == drive.file)
        #expect(item.size == 12_345)
        #expect(item.cTag == drive.sandbox.cTag(of: drive.file))
        #expect(item.identity == item.cTag)
        #expect(item.quickXorHash == (try await drive.sandbox.quickXorHash(of: drive.file)))
        await drive.stop()
    }

    @Test func `the token goes to Graph and nowhere else`() async throws {
        let drive = try await Drive.start(size: 3_000_000)
        #expect(try await drive.readAll() == drive.bytes)
        let requests = drive.sandbox.requests
        #expect(requests.filter { $0.path.hasPrefix("/v1.0") }.allSatisfy { $0["Authorization"] != nil })
        #expect(!drive.sandbox.downloadRequests.isEmpty)
        #expect(drive.sandbox.downloadRequests.allSatisfy { $0["Authorization"] == nil })
        #expect(requests.allSatisfy { $0.method != "HEAD" })
        await drive.stop()
    }

    @Test func `many callers share one refresh, and the next refresh uses the new token`() async throws {
        var options = SandboxOptions()
        options.revokesUsedRefreshTokens = true
        let drive = try await Drive.start(size: 10, options: options)
        let id = drive.sandbox.itemID(for: drive.file)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await drive.oneDrive.item(id) } }
            try await group.waitForAll()
        }
        let count = { drive.sandbox.requests.count { $0.path.hasSuffix("/token") } }
        #expect(count() == 1)
        for round in 2...4 {
            drive.sandbox.revokeTokens()
            _ = try await drive.oneDrive.item(id)
            #expect(count() == round)
        }
        await drive.stop()
    }

    @Test func `whoever is cancelled while the sign-in is renewed leaves at once, and it is kept`() async throws {
        var options = SandboxOptions()
        options.revokesUsedRefreshTokens = true
        let drive = try await Drive.start(size: 10, options: options, stallSeconds: 30)
        drive.sandbox.setFaults([Fault(.delay(seconds: 3), on: .token)])
        let waiter = Task { try await drive.oneDrive.signIn() }
        try await Task.sleep(for: .seconds(0.5))
        let start = ContinuousClock.now
        waiter.cancel()
        let error = await #expect(throws: TransferError.self) { try await waiter.value }
        #expect(error?.code == .cancelled)
        #expect(.now - start < .seconds(1))
        _ = try await drive.item
        #expect(drive.sandbox.requests.count { $0.path.hasSuffix("/token") } == 1)
        await drive.stop()
    }

    @Test(arguments: ["1e30", "-5", "0"])
    func `a token is used whatever its life is said to be`(seconds: String) async throws {
        let drive = try await Drive.start(size: 10)
        let token = drive.sandbox.accessToken()
        let login = try ScriptedServer { connection in
            while connection.request() != nil {
                connection.answer(200, [], Array(#"{"access_token":"\#(token)","expires_in":\#(seconds)}"#.utf8))
            }
        }
        var settings = OneDrive.Settings(.refreshToken("r"))
        settings.loginURL = login.url
        settings.graphURL = drive.sandbox.graphURL
        let oneDrive = OneDrive(settings, client: drive.client, retry: Drive.retry)
        #expect(try await oneDrive.item(drive.sandbox.itemID(for: drive.file)).size == 10)
        await drive.stop()
    }

    @Test func `a token near its end is replaced before it is used`() async throws {
        var options = SandboxOptions()
        options.tokenLifetime = .seconds(8)
        let drive = try await Drive.start(size: 10, options: options)
        _ = try await drive.item
        _ = try await drive.item
        #expect(drive.sandbox.requests.count { $0.path.hasSuffix("/token") } == 1)
        // Half of so short a life has to be left.
        try await Task.sleep(for: .seconds(4.1))
        _ = try await drive.item
        #expect(drive.sandbox.requests.count { $0.path.hasSuffix("/token") } == 2)
        #expect(drive.sandbox.requests.allSatisfy { $0.status != 401 })
        await drive.stop()
    }

    @Test func `the rotated token is kept, and a token given anew helps where the kept one has ended`() async throws {
        let store = MemoryTokenStore()
        let drive = try await Drive.start(size: 10, store: store)
        _ = try await drive.item
        let kept = try await store.rotate { kept throws(TransferError) in
            RefreshedTokens(accessToken: kept ?? "none", lifetime: 0, refreshToken: "M.ended")
        }.accessToken
        #expect(kept == drive.sandbox.refreshToken)
        drive.sandbox.revokeTokens()
        _ = try await drive.item
        await drive.stop()
    }

    @Test func `an application reads a drive by its id, and is told that it has none of its own`() async throws {
        let drive = try await Drive.start(size: 1_000_000) { $0.credential = .clientCredentials }
        let id = drive.sandbox.itemID(for: drive.file)
        let item = try await drive.oneDrive.item(id, drive: drive.sandbox.driveID)
        let source = try await drive.oneDrive.open(item)
        #expect(try await onThread { try source.readAll() } == drive.bytes)
        let error = await #expect(throws: TransferError.self) { try await drive.oneDrive.item(id) }
        #expect(error?.code == .sourceAuth)
        await drive.stop()
    }

    @Test func `a given token is used as it is, and its end is told`() async throws {
        let token = Mutex("")
        let first = try await Drive.start(size: 10)
        token.withLock { $0 = first.sandbox.accessToken() }
        var settings = OneDrive.Settings(.accessToken(token.withLock { $0 }))
        settings.graphURL = first.sandbox.graphURL + "/"
        settings.allowsHTTP = true
        settings.downloadHosts = ["127.0.0.1"]
        let oneDrive = OneDrive(settings, client: first.client, retry: Drive.retry)
        let id = first.sandbox.itemID(for: first.file)
        // OneDrive refuses good ones at random.
        first.sandbox.setFaults([Fault(.status(code: 401), on: .item, times: 2)])
        #expect(try await oneDrive.item(id).size == 10)
        first.sandbox.revokeTokens()
        let error = await #expect(throws: TransferError.self) { try await oneDrive.item(id) }
        #expect(error?.code == .sourceAuth)
        #expect(error?.message.contains("ONEDRIVE_ACCESS_TOKEN") == true)
        await first.stop()
    }

    @Test(
        arguments: [
            ("invalid_grant", .sourceAuth, 1), ("interaction_required", .sourceAuth, 1),
            ("consent_required", .sourceAuth, 1),
            ("invalid_client", .sourceAuth, 1), ("temporarily_unavailable", .sourceUnavailable, 4),
        ] as [(String, TransferError.Code, Int)])
    func `a refused sign-in says what to do`(word: String, code: TransferError.Code, attempts: Int) async throws {
        let drive = try await Drive.start(size: 10)
        drive.sandbox.setFaults([Fault(.tokenError(code: word), times: Fault.always)])
        let error = await #expect(throws: TransferError.self) { try await drive.oneDrive.signIn() }
        #expect(error?.code == code)
        #expect(error?.message.contains(drive.sandbox.options.refreshToken) == false)
        #expect(drive.sandbox.requests.count == attempts)
        await drive.stop()
    }

    @Test(arguments: [
        Fault(.tokenError(code: "temporarily_unavailable")), Fault(.status(code: 503), on: .token),
        Fault(.hangUp, on: .token), Fault(.html(status: 502), on: .token),
        Fault(.status(code: 429, retryAfter: 1), on: .item), Fault(.status(code: 503), on: .item),
        Fault(.status(code: 500), on: .item), Fault(.hangUp, on: .item), Fault(.close(at: 0), on: .item),
        Fault(.html(status: 200), on: .item), Fault(.html(status: 502), on: .item),
        Fault(.omit(properties: ["@microsoft.graph.downloadUrl"]), on: .item),
        Fault(.status(code: 401), on: .item), Fault(.status(code: 401), on: .item, times: 3),
    ])
    func `what passes is outlived`(fault: Fault) async throws {
        let drive = try await Drive.start(size: 1_000_000)
        drive.sandbox.setFaults([fault])
        #expect(try await drive.readAll() == drive.bytes)
        #expect(drive.sandbox.requests.contains { $0.fault != nil })
        await drive.stop()
    }

    @Test(
        arguments: [
            (404, .inputNotFound), (403, .sourceAuth), (401, .sourceAuth), (429, .sourceThrottled),
            (500, .sourceUnavailable),
            (400, .sourceUnavailable),
        ] as [(Int, TransferError.Code)])
    func `what doesn't pass has its code`(status: Int, code: TransferError.Code) async throws {
        let drive = try await Drive.start(size: 10)
        drive.sandbox.setFaults([Fault(.status(code: status), on: .item, times: Fault.always)])
        let error = await #expect(throws: TransferError.self) { try await drive.item }
        #expect(error?.code == code)
        await drive.stop()
    }

    @Test func `an unknown item is not found`() async throws {
        let drive = try await Drive.start(size: 10)
        for (id, container) in [("NO!1", nil), ("", nil), ("..", nil), ("x", ""), ("a/b", nil), ("x", "no-drive")]
            as [(String, String?)]
        {
            let error = await #expect(throws: TransferError.self) {
                try await drive.oneDrive.item(id, drive: container)
            }
            #expect(error?.code == .inputNotFound)
        }
        await drive.stop()
    }

    @Test func `an address that expires in mid-way is renewed`() async throws {
        let drive = try await Drive.start(size: 6_000_000)
        let source = try await drive.open(window: 1 << 20)
        let front = try await onThread { try source.bytes(2_000_000, at: 0) }
        drive.sandbox.expireURLs()
        let back = try await onThread { try source.bytes(4_000_000, at: 2_000_000) }
        #expect(front + back == drive.bytes)
        #expect(try await onThread { try source.verify() })
        await drive.stop()
    }

    @Test func `a renamed item goes on`() async throws {
        let drive = try await Drive.start(size: 6_000_000)
        let source = try await drive.open(window: 1 << 20)
        let front = try await onThread { try source.bytes(2_000_000, at: 0) }
        drive.sandbox.touch(drive.file)
        let back = try await onThread { try source.bytes(4_000_000, at: 2_000_000) }
        #expect(front + back == drive.bytes)
        await drive.stop()
    }

    @Test(arguments: [6_000_000, 5_999_999, 7_000_000])
    func `a replaced item is a changed source`(size: Int) async throws {
        let drive = try await Drive.start(size: 6_000_000)
        let other = drive.folder + "/.other"
        try Data(Drive.noise(size).reversed()).write(to: URL(fileURLWithPath: other))
        let source = try await drive.open(window: 1 << 20)
        _ = try await onThread { try source.bytes(2_000_000, at: 0) }
        drive.sandbox.replace(drive.file, with: other)
        let error = await #expect(throws: TransferError.self) {
            _ = try await onThread { try source.bytes(4_000_000, at: 2_000_000) }
        }
        #expect(error?.code == .sourceChanged)
        await drive.stop()
    }

    @Test func `a changed cTag at the renewal is a changed source`() async throws {
        let drive = try await Drive.start(size: 6_000_000)
        let source = try await drive.open(window: 1 << 20)
        _ = try await onThread { try source.bytes(1_000_000, at: 0) }
        drive.sandbox.setFaults([Fault(.changedCTag)])
        drive.sandbox.expireURLs()
        let error = await #expect(throws: TransferError.self) {
            _ = try await onThread { try source.bytes(4_000_000, at: 2_000_000) }
        }
        #expect(error?.code == .sourceChanged)
        await drive.stop()
    }

    @Test func `a download host that isn't allowed is refused`() async throws {
        let drive = try await Drive.start(size: 10) { $0.downloadHosts = [] }
        let error = await #expect(throws: TransferError.self) { try await drive.open() }
        #expect(error?.code == .sourceForbidden)
        #expect(error?.message.contains("tempauth") == false)
        #expect(drive.sandbox.downloadRequests.isEmpty)
        await drive.stop()
    }

    @Test func `an item without a hash is read, and not called checked`() async throws {
        var options = SandboxOptions()
        options.publishesHashes = false
        let drive = try await Drive.start(size: 100_000, options: options)
        let source = try await drive.open()
        #expect(try await onThread { try source.readAll() } == drive.bytes)
        #expect(try await onThread { try source.verify() } == false)
        #expect(source.computedQuickXorHash != nil)
        await drive.stop()
    }
}

struct DownloadHostsTests {
    @Test(arguments: [
        "https://contoso-my.sharepoint.com/x?tempauth=1", "https://public.dm.files.1drv.com/y", "https://1drv.com/",
        "https://my.microsoftpersonalcontent.com/personal/a", "https://CONTOSO.SharePoint.com./x",
    ])
    func `Microsoft's hosts are allowed`(url: String) {
        #expect(DownloadHosts([], allowsHTTP: false).allows(url))
    }

    @Test(arguments: [
        "https://evil.com/", "https://sharepoint.com.evil.com/", "https://notsharepoint.com/",
        "https://sharepoint.com@evil.com/", "https://evil.com#sharepoint.com", "https://evil.com/?sharepoint.com",
        "https://a:b@contoso.sharepoint.com/", "http://contoso.sharepoint.com/", "ftp://contoso.sharepoint.com/",
        "https://evil.com\\.sharepoint.com/", "//contoso.sharepoint.com/", "",
    ])
    func `others are not`(url: String) {
        #expect(!DownloadHosts([], allowsHTTP: false).allows(url))
    }

    @Test func `given suffixes replace Microsoft's`() {
        let hosts = DownloadHosts(
            [" ".trimmingCharacters(in: .whitespaces), "*.Example.org", "127.0.0.1"], allowsHTTP: true)
        #expect(hosts.allows("http://127.0.0.1:8080/x"))
        #expect(hosts.allows("https://a.example.org/"))
        #expect(!hosts.allows("https://contoso.sharepoint.com/"))
        #expect(!hosts.allows("http://1127.0.0.1.evil/"))
    }
}

struct GraphErrorTests {
    private func error(_ status: Int, _ json: String) -> TransferError.Code {
        let response = HTTPResponse(head: HTTPHead(status: status), body: Array(json.utf8))
        return GraphError.error(response, item: "ID", now: 0).code
    }

    @Test func `the innermost known code decides, in either spelling`() {
        let nested =
            #"{"error":{"code":"forbidden","message":"m","innererror":{"innerError":{"code":"malwareDetected"}}}}"#
        #expect(error(403, nested) == .sourceForbidden)
        #expect(error(403, #"{"error":{"code":"accessDenied","innerError":{"date":"x","code":7}}}"#) == .sourceAuth)
        #expect(error(400, #"{"error":{"code":"invalidRequest","innerError":{"request-id":"x"}}}"#) == .inputNotFound)
    }

    @Test(arguments: ["", "<html>", "[]", "{}", #"{"error":"x"}"#, #"{"error":{"code":null}}"#])
    func `what is no such JSON is judged by its status`(body: String) {
        #expect(error(404, body) == .inputNotFound)
        #expect(error(401, body) == .sourceAuth)
        #expect(error(429, body) == .sourceThrottled)
        #expect(error(500, body) == .sourceUnavailable)
    }

    @Test func `folders and malware are no videos`() throws {
        let code = { (json: String) -> TransferError.Code? in
            do throws(TransferError) {
                _ = try OneDriveItem(json: Array(json.utf8), drive: nil)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code(#"{"id":"1","name":"a","size":5,"file":{}}"#) == nil)
        #expect(code(#"{"id":"1","name":"a","size":5,"folder":{"childCount":1}}"#) == .inputNotFound)
        #expect(code(#"{"id":"1","name":"a","size":5,"file":{},"malware":{"description":"x"}}"#) == .sourceForbidden)
        #expect(code(#"{"id":"1","name":"a","file":{}}"#) == .sourceUnavailable)
        #expect(code("<html>") == .sourceUnavailable)
    }
}
