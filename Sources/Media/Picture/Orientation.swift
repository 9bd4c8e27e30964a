/// How a stored picture has to be turned to stand upright: one of the eight ways to lay a rectangle on itself.
struct Orientation: Sendable, Equatable {
    /// Clockwise: 0, 90, 180 or 270 degrees; done after the mirroring.
    var clockwiseDegrees: Int
    /// Left and right are swapped first.
    var isMirrored: Bool

    static let upright = Orientation(clockwiseDegrees: 0, isMirrored: false)

    var swapsSides: Bool { clockwiseDegrees % 180 != 0 }

    /// Reads a display matrix (ISO/IEC 14496-12, 6.2.2): a pixel at (x, y) is shown at (ax + cy, bx + dy).
    ///
    /// A matrix that turns by something else than quarters is taken for the nearest quarter; `nil`: it is singular,
    /// so it says nothing.
    init?(matrix: [Int32]) {
        guard matrix.count >= 5 else { return nil }
        let a = Double(matrix[0])
        let b = Double(matrix[1])
        let c = Double(matrix[3])
        let d = Double(matrix[4])
        let determinant = a * d - b * c
        guard determinant != 0 else { return nil }
        isMirrored = determinant < 0
        // With the mirroring undone, (a, b) is where the x axis points; y points down.
        let (x, y) = isMirrored ? (-a, -b) : (a, b)
        if abs(x) >= abs(y) {
            clockwiseDegrees = x > 0 ? 0 : 180
        } else {
            clockwiseDegrees = y > 0 ? 90 : 270
        }
    }

    init(clockwiseDegrees: Int, isMirrored: Bool) {
        self.clockwiseDegrees = clockwiseDegrees
        self.isMirrored = isMirrored
    }

    /// The matrix that turns (and does nothing besides), as `Track.matrix` has it.
    var turningMatrix: [Int32] {
        let one: Int32 = 1 << 16
        let (x, y): (Int32, Int32) =
            switch clockwiseDegrees {
            case 90: (0, one)
            case 180: (-one, 0)
            case 270: (0, -one)
            default: (one, 0)
            }
        return [x, y, 0, -y, x, 0, 0, 0, 1 << 30]
    }

    /// libavfilter's filters that do it; `nil`: nothing to do.
    var filters: String? {
        switch (clockwiseDegrees, isMirrored) {
        case (0, false): nil
        case (0, true): "hflip"
        case (90, false): "transpose=clock"
        case (90, true): "transpose=clock_flip"
        case (180, false): "hflip,vflip"
        case (180, true): "vflip"
        case (270, false): "transpose=cclock"
        default: "transpose=cclock_flip"
        }
    }
}
