import Foundation
import LoopbackHTTP
import OneDriveSandbox
import Testing

struct FaultTests {
    @Test(arguments: [0, 1, 500_000, 1_000_002, 1_000_003] as [Int64])
    func `a reset and an early end come after exactly the bytes before them`(position: Int64) async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([Fault(.reset(at: position)), Fault(.close(at: position))])
            let reset = try await Curl.run(drive.url)
            // At the very end nothing is missing: curl has what was announced.
            #expect(reset.exit == (position == Drive.size ? 0 : 56))
            #expect(reset.body == Drive.bytes.prefix(Int(position)))
            let closed = try await Curl.run(drive.url)
            #expect(closed.exit == (position == Drive.size ? 0 : 18))
            #expect(closed.body == Drive.bytes.prefix(Int(position)))
            #expect(drive.sandbox.requests.map(\.outcome) == [.cut, .cut])
            #expect(drive.sandbox.requests.map(\.fault) == ["reset", "close"])
            #expect(try await Curl.run(drive.url).body == Drive.bytes)
        }
    }

    @Test func `a position waits for the range that covers it`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([Fault(.close(at: 600_000))])
            #expect(try await Curl.run(drive.url, "-r", "0-599999").exit == 0)
            #expect(try await Curl.run(drive.url, "-r", "600001-").exit == 0)
            let cut = try await Curl.run(drive.url, "-r", "599000-700000")
            #expect(cut.exit == 18)
            #expect(cut.body == Drive.bytes[599_000..<600_000])
        }
    }

    @Test func `any fault can wait for a byte`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([Fault(.status(code: 401), covering: 1_000_002)])
            #expect(try await Curl.run(drive.url, "-r", "0-1000001").status == 206)
            #expect(try await Curl.run(drive.url, "-r", "9-").status == 401)
            #expect(try await Curl.run(drive.url, "-r", "9-").status == 206)
        }
    }

    @Test func `a stall pauses the bytes at its place`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([Fault(.stall(at: 300_000, seconds: 0.7))])
            async let answer = Curl.run(drive.url)
            let stalled = try await drive.sandbox.firstRequest { $0.bytesSent == 300_000 && $0.outcome == .open }
            #expect(stalled?.fault == "stall")
            #expect(try await answer.body == Drive.bytes)
            #expect(try await answer.seconds > 0.7)
        }
    }

    @Test(arguments: [429, 503, 509, 500, 401, 403, 404])
    func `a status comes in each endpoint's own form`(status: Int) async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults(
                [.download, .item, .content, .token].map { endpoint in
                    Fault(.status(code: status, retryAfter: 2), on: endpoint)
                })
            let download = try await Curl.run(drive.url)
            #expect(download["Content-Type"]?.hasPrefix("text/html") == true)
            let item = try await drive.graph(drive.itemPath)
            let content = try await drive.graph(drive.itemPath + "/content")
            for answer in [item, content] { #expect((answer.json["error"] as? [String: Any])?["code"] is String) }
            let form = ["grant_type": "refresh_token", "refresh_token": drive.sandbox.refreshToken]
            let token = try await drive.token(form)
            #expect(token.json["error"] as? String == "temporarily_unavailable")
            for answer in [download, item, content, token] {
                #expect(answer.status == status)
                #expect(answer["Retry-After"] == "2")
            }
            #expect(try await Curl.run(drive.url).status == 200)
            #expect(try await drive.graph(drive.itemPath).status == 200)
            #expect(try await drive.token(form).status == 200)
        }
    }

    @Test func `ranges go wrong in every way`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([
                Fault(.ignoreRange), Fault(.otherRange(by: 5)), Fault(.otherBytes(by: -10)),
                Fault(.contentRange(value: "bytes 1-2/3")), Fault(.contentRange(value: "")),
                Fault(.contentLength(by: -3)), Fault(.contentLength(by: 3)), Fault(.size(by: 7)),
            ])
            func ask() async throws -> Curl { try await Curl.run(drive.url, "-r", "100-199") }
            let all = try await ask()
            #expect(all.status == 200 && all.body == Drive.bytes)
            let moved = try await ask()
            #expect(moved["Content-Range"] == "bytes 105-204/1000003" && moved.body == Drive.bytes[105..<205])
            let lying = try await ask()
            #expect(lying["Content-Range"] == "bytes 100-199/1000003" && lying.body == Drive.bytes[90..<190])
            #expect(try await ask()["Content-Range"] == "bytes 1-2/3")
            #expect(try await ask()["Content-Range"] == nil)
            let short = try await ask()
            #expect(short["Content-Length"] == "97" && short.body == Drive.bytes[100..<197])
            let long = try await ask()
            #expect(long["Content-Length"] == "103" && long.exit == 18 && long.body == Drive.bytes[100..<200])
            #expect(try await ask()["Content-Range"] == "bytes 100-199/1000010")
            #expect(try await ask().body == Drive.bytes[100..<200])
        }
    }

    @Test func `one byte is flipped`() async throws {
        try await Drive.with { drive async throws in
            for place in [0, 400_000, 1_000_002] {
                drive.sandbox.setFaults([Fault(.flip(at: Int64(place)))])
                let body = try await Curl.run(drive.url).body
                #expect(body.count == Drive.bytes.count)
                let differing = body.indices.filter { body[$0] != Drive.bytes[$0] }
                #expect(differing == [place])
            }
        }
    }

    @Test func `tags, sizes and properties change in what is told`() async throws {
        try await Drive.with { drive async throws in
            let (cTag, eTag) = (drive.sandbox.cTag(of: "clip.mp4"), try await Curl.run(drive.url, "-I")["ETag"])
            drive.sandbox.setFaults([
                Fault(.changedCTag), Fault(.size(by: -1), on: .item), Fault(.omit(properties: ["file", "cTag"])),
                Fault(.changedETag),
            ])
            let changed = try await drive.graph(drive.itemPath).json["cTag"] as? String
            #expect(changed != nil && changed != cTag)
            #expect(try await drive.graph(drive.itemPath).json["size"] as? Int64 == Drive.size - 1)
            let lacking = try await drive.graph(drive.itemPath).json
            #expect(lacking["file"] == nil && lacking["cTag"] == nil && lacking["id"] != nil)
            let answer = try await Curl.run(drive.url)
            #expect(answer["ETag"] != eTag && answer.body == Drive.bytes)
        }
    }

    @Test func `the answer isn't the service's`() async throws {
        try await Drive.with { drive async throws in
            drive.sandbox.setFaults([
                Fault(.html(status: 200)), Fault(.html(status: 200), on: .item), Fault(.hangUp),
                Fault(.redirect(to: "http://10.0.0.1/x")), Fault(.redirect(to: "http://10.0.0.1/y"), on: .content),
                Fault(.delay(seconds: 0.3)),
            ])
            let page = try await Curl.run(drive.url)
            #expect(page.status == 200 && page.text.hasPrefix("<!DOCTYPE html>"))
            #expect(try await drive.graph(drive.itemPath).text.hasPrefix("<!DOCTYPE html>"))
            #expect(try await Curl.run(drive.url).exit == 56)
            #expect(try await Curl.run(drive.url)["Location"] == "http://10.0.0.1/x")
            #expect(try await drive.graph(drive.itemPath + "/content")["Location"] == "http://10.0.0.1/y")
            #expect(try await Curl.run(drive.url).seconds > 0.3)
        }
    }

    @Test func `an expired URL stays expired, a new one works`() async throws {
        try await Drive.with { drive async throws in
            let url = drive.url
            drive.sandbox.setFaults([Fault(.expireURL, skip: 1)])
            #expect(try await Curl.run(url, "-r", "0-9").status == 206)
            #expect(try await Curl.run(url, "-r", "0-9").status == 401)
            #expect(try await Curl.run(url, "-r", "0-9").status == 401)
            #expect(try await Curl.run(drive.url, "-r", "0-9").status == 206)
        }
    }

    @Test func `faults are counted for the requests they fit`() async throws {
        try await Drive.with { drive async throws in
            try Data("other".utf8).write(to: URL(fileURLWithPath: drive.folder + "/other.mp4"))
            drive.sandbox.setFaults([
                Fault(.status(code: 503), item: "clip.mp4", method: "GET", skip: 1, times: 2),
                Fault(.tokenError(code: "invalid_grant"), times: Fault.always),
            ])
            #expect(try await Curl.run(drive.sandbox.downloadURL(for: "other.mp4") ?? "").status == 200)
            #expect(try await Curl.run(drive.url, "-I").status == 200)
            var statuses: [Int] = []
            for _ in 0..<4 { statuses.append(try await Curl.run(drive.url).status) }
            #expect(statuses == [200, 503, 503, 200])
            for _ in 0..<3 {
                let form = ["grant_type": "refresh_token", "refresh_token": drive.sandbox.refreshToken]
                #expect(try await drive.token(form).json["error"] as? String == "invalid_grant")
            }
        }
    }

    @Test func `a script of JSON is read`() throws {
        let json = """
            [{"action": {"reset": {"at": 12}}, "item": "a.mp4"}, {"action": {"status": {"code": 429, "retryAfter": 1}},
              "endpoint": "item", "skip": 2, "times": 3}, {"action": {"ignoreRange": {}}},
             {"action": {"tokenError": {"code": "invalid_grant"}}}, {"action": {"status": {"code": 503}}}]
            """
        let faults = try JSONDecoder().decode([Fault].self, from: Data(json.utf8))
        #expect(
            faults.map(\.action) == [
                .reset(at: 12), .status(code: 429, retryAfter: 1), .ignoreRange, .tokenError(code: "invalid_grant"),
                .status(code: 503),
            ])
        #expect(faults.map(\.endpoint) == [.download, .item, .download, .token, .download])
        #expect(faults[1].skip == 2 && faults[1].times == 3 && faults[0].item == "a.mp4" && faults[0].times == 1)
    }
}
