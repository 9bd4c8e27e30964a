/// Where a download's requests go: the address given, where redirects lead, and new ones when it is refused. Decides only.
struct SourceAddress {
    /// What a refusal leads to.
    enum Remedy: Equatable {
        /// Another address is there already, or on its way.
        case goOn
        /// Ask whoever gave the address for a new one.
        case renew
        case giveUp
    }

    /// For the next request.
    private(set) var url: String
    /// Counts addresses, so that a refusal of an old one doesn't end a new one.
    private(set) var generation = 0
    private(set) var isRenewing = false
    private let origin: String
    /// Whether whoever gave the address can give another.
    let canRenew: Bool
    private let allows: @Sendable (String) -> Bool
    private var hops = 0
    private var renewals = 0
    private var bytesAtRenewal: Int64 = 0

    init(_ url: String, canRenew: Bool, allows: @escaping @Sendable (String) -> Bool) {
        self.url = url
        origin = url
        self.canRenew = canRenew
        self.allows = allows
    }

    /// A request got its bytes: the next redirect is the first of a row.
    mutating func worked() { hops = 0 }

    /// Goes where a redirect leads, if it may. Throws where it mayn't, and calls that hopeless unless a new address may lead
    /// elsewhere. `generation` is that of the request.
    mutating func follow(_ location: String, generation: Int, name: String) throws(TransferError) {
        guard generation == self.generation else { return }
        hops += 1
        guard hops <= 5 else {
            throw TransferError(
                .sourceUnavailable, "\(name): more than 5 redirects in a row; check the address", isHopeless: true)
        }
        let forbidden = { (isHopeless: Bool) in
            TransferError(
                .sourceForbidden, "\(name): redirected to an address that isn't allowed; give the address itself",
                isHopeless: isHopeless)
        }
        guard let target = HTTPAddress.redirect(from: url, to: location), let address = HTTPAddress(target),
            !address.hasCredentials, address.scheme == "https" || HTTPAddress(url)?.scheme == "http"
        else { throw forbidden(true) }
        // A strange host may be where one signs in, which an address that is no longer good leads to.
        guard allows(target) else { throw forbidden(!AddressRule.mayBePublic(host: address.host)) }
        move(to: target)
    }

    /// What to do after a refusal of a request of that generation; bounded, unless bytes came in between.
    mutating func refused(generation: Int, bytesReceived: Int64) -> Remedy {
        guard generation == self.generation, !isRenewing else { return .goOn }
        if bytesReceived - bytesAtRenewal >= RangedSource.progressBytes { renewals = 0 }
        guard renewals < 3, canRenew || url != origin else { return .giveUp }
        renewals += 1
        bytesAtRenewal = bytesReceived
        if canRenew {
            isRenewing = true
            return .renew
        }
        // What a redirect led to may have expired while the address itself is as good as before.
        move(to: origin)
        return .goOn
    }

    /// A new address came, or none did.
    mutating func renewed(to target: String?) {
        isRenewing = false
        hops = 0
        if let target { move(to: target) }
    }

    private mutating func move(to target: String) {
        url = target
        generation += 1
    }
}
