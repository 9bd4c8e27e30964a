/// A 3×3 matrix.
struct Matrix3: Sendable, Hashable {
    /// Its columns.
    var columns: [SIMD3<Double>]

    init(columns first: SIMD3<Double>, _ second: SIMD3<Double>, _ third: SIMD3<Double>) {
        columns = [first, second, third]
    }

    init(diagonal: SIMD3<Double>) {
        columns = [SIMD3(diagonal.x, 0, 0), SIMD3(0, diagonal.y, 0), SIMD3(0, 0, diagonal.z)]
    }

    func row(_ index: Int) -> SIMD3<Double> { SIMD3(columns[0][index], columns[1][index], columns[2][index]) }

    static func * (matrix: Matrix3, vector: SIMD3<Double>) -> SIMD3<Double> {
        matrix.columns[0] * vector.x + matrix.columns[1] * vector.y + matrix.columns[2] * vector.z
    }

    static func * (left: Matrix3, right: Matrix3) -> Matrix3 {
        Matrix3(columns: left * right.columns[0], left * right.columns[1], left * right.columns[2])
    }

    /// The inverse, by Cramer's rule.
    var inverse: Matrix3 {
        let (a, b, c) = (columns[0], columns[1], columns[2])
        let rows = [Self.cross(b, c), Self.cross(c, a), Self.cross(a, b)]
        let determinant = (a * rows[0]).sum()
        return Matrix3(
            columns: SIMD3(rows[0].x, rows[1].x, rows[2].x) / determinant,
            SIMD3(rows[0].y, rows[1].y, rows[2].y) / determinant,
            SIMD3(rows[0].z, rows[1].z, rows[2].z) / determinant)
    }

    private static func cross(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> SIMD3<Double> {
        SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
    }
}
