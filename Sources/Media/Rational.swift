/// An exact fraction, as containers write rates and time bases.
struct Rational: Sendable, Hashable, CustomStringConvertible {
    /// Above the line.
    let num: Int32
    /// Below the line; 0 where a file says so.
    let den: Int32

    /// Makes `num`/`den` as it stands, without reducing it.
    init(_ num: Int32, _ den: Int32) {
        self.num = num
        self.den = den
    }

    /// The value, or 0 where the fraction is not a positive finite number.
    var value: Double { num > 0 && den > 0 ? Double(num) / Double(den) : 0 }

    /// The reciprocal.
    var inverse: Rational { Rational(den, num) }

    /// `num/den`, or `num` alone over 1.
    var description: String { den == 1 ? "\(num)" : "\(num)/\(den)" }
}
