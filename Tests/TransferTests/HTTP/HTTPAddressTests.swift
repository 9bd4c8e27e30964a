import Testing

@testable import Transfer

struct HTTPAddressTests {
    @Test(
        arguments: [
            ("https://Example.COM/a/b?token=x#f", "https://example.com/a/b"),
            ("HTTP://user:secret@host:8080/p?q", "http://host:8080/p"), ("http://[::1]:80/x", "http://[::1]:80/x"),
            ("https://host", "https://host/"), ("https://host.?a=b", "https://host/"), ("ftp://host/x?secret", nil),
            ("file:///etc/passwd", nil), ("nonsense?secret", nil), ("", nil), ("http://", nil),
        ] as [(String, String?)])
    func `an input's name shows neither query nor credentials`(url: String, name: String?) {
        #expect(HTTPAddress.name(url) == name ?? "an address that isn't http or https")
    }

    @Test(arguments: [
        ("https://user:secret@Files.1drv.com/y4msecret/clip.mp4?secret#secret", "https://files.1drv.com"),
        ("http://[::1]:80/secret", "http://[::1]:80"),
    ])
    func `a message shows no path either`(url: String, origin: String) {
        #expect(HTTPAddress(url)?.origin == origin)
    }

    @Test(arguments: [
        ("https://a/x?b=2&a=1", "https://b/y?z=%2f&A=%2F&a", "https://b/y?z=%2f&A=%2F&a"),
        ("https://a/x/y", "z?q", "https://a/x/z?q"), ("https://a/x/y", "/z", "https://a/z"),
        ("https://a/x/y", "//b/z", "https://b/z"), ("https://a/x", "http://b/", "http://b/"),
    ])
    func `a redirect is resolved, an absolute one byte for byte`(base: String, location: String, expected: String) {
        #expect(HTTPAddress.redirect(from: base, to: location) == expected)
    }
}

struct SourceAddressTests {
    @Test(arguments: [
        "http://b/x", "ftp://b/x", "file:///etc/passwd", "javascript:0", "https://u:p@b/x", "https://evil/x",
    ])
    func `a redirect never leads from https to less, nor where it mayn't`(location: String) {
        var address = SourceAddress("https://a/x", canRenew: false, allows: { !$0.contains("evil") })
        let error = #expect(throws: TransferError.self) {
            try address.follow(location, generation: 0, name: "clip")
        }
        #expect(error?.code == .sourceForbidden)
    }

    @Test func `five redirects in a row are followed, the sixth is not`() throws {
        var address = SourceAddress("http://a/0", canRenew: false, allows: { _ in true })
        for hop in 1...5 { try address.follow("/\(hop)", generation: address.generation, name: "clip") }
        #expect(address.url == "http://a/5")
        #expect(throws: TransferError.self) { try address.follow("/6", generation: 5, name: "clip") }
    }

    @Test func `renewals are bounded unless bytes come in between`() {
        var address = SourceAddress("https://a/0", canRenew: true, allows: { _ in true })
        for _ in 0..<3 {
            #expect(address.refused(generation: address.generation, bytesReceived: 0) == .renew)
            #expect(address.refused(generation: address.generation, bytesReceived: 0) == .goOn)
            address.renewed(to: "https://a/1")
        }
        #expect(address.refused(generation: address.generation - 1, bytesReceived: 0) == .goOn)
        #expect(address.refused(generation: address.generation, bytesReceived: 65_535) == .giveUp)
        #expect(address.refused(generation: address.generation, bytesReceived: 65_536) == .renew)
    }

    @Test func `without anybody to ask, a refusal is final at the address itself`() throws {
        var address = SourceAddress("https://a/0", canRenew: false, allows: { _ in true })
        #expect(address.refused(generation: 0, bytesReceived: 0) == .giveUp)
        try address.follow("https://b/1", generation: 0, name: "clip")
        #expect(address.refused(generation: 1, bytesReceived: 0) == .goOn)
        #expect(address.url == "https://a/0")
    }
}
