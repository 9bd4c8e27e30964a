internal import Glibc

/// Which internet addresses a source may have: globally reachable unicast ones, so that an address in a video's
/// record can't be used to read what only this machine or its network can reach.
///
/// Source: IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890 and later).
enum AddressRule {
    /// Whether a host may be open to the public by what its name says: one that is an address tells by itself.
    static func mayBePublic(host: String) -> Bool {
        var (v4, v6) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, host, &v4) == 1 { return isPublic(withUnsafeBytes(of: v4) { Array($0) }) }
        if inet_pton(AF_INET6, String(host.filter { $0 != "[" && $0 != "]" }), &v6) == 1 {
            return isPublic(withUnsafeBytes(of: v6) { Array($0) })
        }
        return true
    }

    /// Whether an address of 4 (IPv4) or 16 (IPv6) bytes in network order is open to the public.
    static func isPublic(_ address: [UInt8]) -> Bool {
        switch address.count {
        case 4: isPublicV4(address)
        case 16: isPublicV6(address)
        default: false
        }
    }

    private static func isPublicV4(_ a: [UInt8]) -> Bool {
        switch (a[0], a[1], a[2]) {
        case (0, _, _), (10, _, _), (127, _, _): false  // this network, private, loopback
        case (100, 64...127, _): false  // shared by carriers
        case (169, 254, _): false  // link-local, where clouds keep their credentials
        case (172, 16...31, _), (192, 168, _): false  // private
        case (192, 0, 0), (192, 0, 2), (192, 88, 99): false  // protocols, documentation, relays
        case (198, 18...19, _), (198, 51, 100), (203, 0, 113): false  // benchmarks, documentation
        case (224..., _, _): false  // multicast, reserved, broadcast
        default: true
        }
    }

    private static func isPublicV6(_ a: [UInt8]) -> Bool {
        if a.prefix(10).allSatisfy({ $0 == 0 }), a[10] == 0xff, a[11] == 0xff {
            return isPublicV4(Array(a[12...]))  // IPv4 in IPv6 clothes
        }
        if a.prefix(12).elementsEqual([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]) {
            return isPublicV4(Array(a[12...]))  // NAT64
        }
        guard a[0] & 0xe0 == 0x20 else { return false }  // global unicast is 2000::/3 and nothing else
        switch (a[0], a[1], a[2], a[3]) {
        case (0x20, 0x01, 0x00...0x01, _): return false  // protocols, Teredo, benchmarks
        case (0x20, 0x01, 0x0d, 0xb8), (0x3f, 0xff, 0x00...0x0f, _): return false  // documentation
        case (0x20, 0x02, _, _): return isPublicV4(Array(a[2..<6]))  // 6to4
        default: return true
        }
    }
}
