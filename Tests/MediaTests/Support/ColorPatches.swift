import Foundation

/// The clips of known flat colours.
enum ColorPatches {
    /// The listed sRGB colours, row by row.
    static let known: [SIMD3<Double>] = {
        let text = (try? String(contentsOfFile: Fixture.path("patches.txt"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let values = line.split(separator: " ").compactMap { Double($0) }
            return SIMD3(values[0], values[1], values[2])
        }
    }()

    /// The code values of the patches in a picture of any size that keeps the grid's 6 x 4.
    static func codes(of path: String, at time: Double = 1.5, filter: String = "null") throws -> [SIMD3<UInt8>] {
        let picture = try Pixels.picture(of: path, at: time, filter: filter)
        return (0..<24).map { index in
            picture.codes(
                x: (2 * (index % 6) + 1) * picture.width / 12 / 2 * 2,
                y: (2 * (index / 6) + 1) * picture.height / 8 / 2 * 2)
        }
    }

    /// CIEDE2000 of each patch of a limited range BT.709 file against its known colour.
    static func errors(of path: String) throws -> [Double] {
        zip(try codes(of: path), known).map { code, color in
            CIEDE2000.difference(CIEDE2000.lab(codes: code), lab(sRGB: color))
        }
    }

    static func lab(sRGB color: SIMD3<Double>) -> SIMD3<Double> {
        func linear(_ value: Double) -> Double {
            value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        return CIEDE2000.lab(linear: SIMD3(linear(color.x / 255), linear(color.y / 255), linear(color.z / 255)))
    }
}
