import Glibc
import Testing

@testable import Transfer

struct AddressRuleTests {
    @Test(arguments: [
        "8.8.8.8", "1.1.1.1", "13.107.136.10", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1",
        "169.253.1.1", "192.167.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.254", "2620:1ec:8f8::10",
        "2a00:1450:4001:81b::200e", "2603:1061::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
    ])
    func `a public address is allowed`(address: String) throws {
        #expect(AddressRule.isPublic(try bytes(address)))
    }

    @Test(arguments: [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:1ff::1", "2001:db8::1",
        "2002:7f00:1::1", "2002:a00:1::1", "3fff::1", "4000::1", "fc00::1", "fd12:3456::1", "fe80::1", "febf::1",
        "fec0::1", "ff02::1",
    ])
    func `a special address is refused`(address: String) throws {
        #expect(!AddressRule.isPublic(try bytes(address)))
    }

    @Test(
        arguments: [
            ("8.8.8.8", true), ("[2620:1ec:8f8::10]", true), ("login.example.com", true), ("10.0.0.1", false),
            ("169.254.169.254", false), ("[::1]", false), ("[::ffff:10.0.0.1]", false),
        ] as [(String, Bool)])
    func `a host that is an address tells by itself whether it is public`(host: String, isPublic: Bool) {
        #expect(AddressRule.mayBePublic(host: host) == isPublic)
    }

    @Test func `what is no internet address is refused`() {
        #expect(!AddressRule.isPublic([]))
        #expect(!AddressRule.isPublic([8, 8, 8]))
    }

    private func bytes(_ text: String) throws -> [UInt8] {
        let isV6 = text.contains(":")
        var bytes = [UInt8](repeating: 0, count: isV6 ? 16 : 4)
        try #require(inet_pton(isV6 ? AF_INET6 : AF_INET, text, &bytes) == 1)
        return bytes
    }
}
