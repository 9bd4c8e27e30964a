import Foundation
import Testing

@testable import Media

struct ColorTests {
    @Test(arguments: Fixture.names("patches-"))
    func `known colours come out as themselves: CIEDE2000 of 2 at most`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name, forceEncode: true)
        try expectConforming(outcome)
        let errors = try ColorPatches.errors(of: outcome.path)
        let worst = errors.max() ?? .infinity
        // SMPTE 170M's own primaries are so near that players don't convert them.
        let limit = name == "patches-bt601.mp4" ? 5.0 : 2.0
        #expect(worst <= limit, "worst \(worst) at patch \(errors.firstIndex(of: worst) ?? -1): \(rounded(errors))")
        #expect(errors.reduce(0, +) / Double(errors.count) <= 1.5, "\(rounded(errors))")
    }

    @Test func `the judge of colours sees a wrong matrix and a missing conversion of primaries`() throws {
        for name in ["patches-bt601-matrix.mp4", "patches-p3.mp4"] {
            let worst = try ColorPatches.errors(of: Fixture.path(name)).max() ?? 0
            #expect(worst > 3, "\(name): \(worst)")
        }
        #expect(try ColorPatches.errors(of: Fixture.path("patches-bt709.mp4")).max() ?? 9 < 1)
    }

    @Test(arguments: Fixture.names("hdr-"))
    func `HDR is tone-mapped like one of the usual curves, and greys stay neutral`(name: String) throws {
        let outcome = try Engine.transcode(fixture: name)
        try expectConforming(outcome)
        #expect(outcome.report?.input?.video?.hdr == true)
        let shown = try ColorPatches.codes(of: outcome.path)
        for grey in shown.prefix(6) {
            #expect(abs(Int(grey.y) - 128) <= 2 && abs(Int(grey.z) - 128) <= 2, "\(grey)")
        }
        #expect(
            zip(shown.prefix(6), shown.prefix(6).dropFirst()).allSatisfy { $0.x < $1.x }, "greys \(shown.prefix(6))")
        #expect(shown[5].x >= 150, "white has sunk to \(shown[5].x)")
        let means = try ["hable", "mobius", "reinhard"].map { curve in
            let chain = try Self.reference(name.hasPrefix("hdr-pq") ? "smpte2084" : "arib-std-b67", curve)
            let errors = zip(shown, chain).map { CIEDE2000.difference(codes: $0, $1) }
            return errors.reduce(0, +) / Double(errors.count)
        }
        #expect((means.min() ?? .infinity) <= 7, "mean CIEDE2000 against hable, mobius, reinhard: \(rounded(means))")
    }

    @Test(arguments: Fixture.names("hdr-hlg"))
    func `where the tags are makes no difference to the colours`(name: String) throws {
        let reference = try ColorPatches.codes(of: Engine.transcode(fixture: "hdr-hlg.mp4").path)
        let shown = try ColorPatches.codes(of: Engine.transcode(fixture: name).path)
        let worst = zip(shown, reference).map { CIEDE2000.difference(codes: $0, $1) }.max() ?? .infinity
        #expect(worst <= 2, "\(worst)")
    }

    /// The patches of an HDR clip through zscale and tonemap.
    private static func reference(_ transfer: String, _ curve: String) throws -> [SIMD3<UInt8>] {
        let clip = transfer == "smpte2084" ? "hdr-pq.mp4" : "hdr-hlg.mp4"
        return try ColorPatches.codes(
            of: Fixture.path(clip),
            filter: "zscale=tin=\(transfer):pin=bt2020:min=bt2020nc:rin=tv:t=linear:npl=203,format=gbrpf32le"
                + ",zscale=p=bt709,tonemap=\(curve):desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p")
    }

    private func rounded(_ values: [Double]) -> [Double] { values.map { ($0 * 10).rounded() / 10 } }
}
