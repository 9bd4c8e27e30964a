/// One case as it was measured: kept as JSON, shown as a table.
struct CaseResult: Codable {
    /// Short name, by which it is chosen on the command line.
    var name: String
    /// What is compared, in words.
    var title: String
    /// Day of the measurement.
    var date: String
    var machine: Machine
    /// Measured with fewer runs or shorter clips than the numbers that are kept.
    var isQuick: Bool
    /// Whether the rows' runs were made in turn, so that the first row can be set against each other one.
    var inTurn = false
    var rows: [Row] = []
    var targets: [Target] = []
    var notes: [String] = []

    /// The row of a program.
    func row(_ program: String) throws -> Row {
        guard let row = rows.first(where: { $0.program == program }) else {
            throw BenchError("\(name) has no row of \(program)")
        }
        return row
    }

    /// Median of the ratios of runs that were made one after the other.
    func ratio(_ program: String, to peer: String, _ value: (Usage) -> Double = \.wall) throws -> Double {
        let (own, other) = (try row(program).runs, try row(peer).runs)
        return zip(own, other).map { value($0) / value($1) }.median
    }

    mutating func demand(_ issue: String, _ what: String, atMost limit: Double, _ measured: Double, _ unit: String) {
        targets.append(
            Target(issue: issue, what: what, bound: .atMost, limit: limit, measured: measured, unit: unit))
    }

    mutating func demand(_ issue: String, _ what: String, atLeast limit: Double, _ measured: Double, _ unit: String) {
        targets.append(
            Target(issue: issue, what: what, bound: .atLeast, limit: limit, measured: measured, unit: unit))
    }
}

/// All runs of one program in a case.
struct Row: Codable {
    var program: String
    var runs: [Usage] = []
    var figures: [Figure] = []

    init(program: String, runs: [Usage] = [], figures: [Figure] = []) {
        self.program = program
        self.runs = runs
        self.figures = figures
    }

    var wall: Double { runs.map(\.wall).median }
    var cpu: Double { runs.map(\.cpu).median }
    /// `nil` where no run could tell.
    var peakBytes: Double? {
        let peaks = runs.compactMap(\.peakBytes).map(Double.init)
        return peaks.isEmpty ? nil : peaks.median
    }

    /// The figure of that name.
    func figure(_ name: String) throws -> Double {
        guard let figure = figures.first(where: { $0.name == name }) else {
            throw BenchError("\(program) has no figure \(name)")
        }
        return figure.value
    }
}

/// A value beside time and memory; the name holds the unit: `size MB`.
struct Figure: Codable {
    var name: String
    var value: Double

    /// Measures of quality differ in digits that other numbers don't need.
    var text: String {
        name.hasPrefix("SSIM")
            ? Numbers.fixed(value, 4)
            : name.hasPrefix("VMAF") || name.hasPrefix("PSNR") ? Numbers.fixed(value, 2) : Numbers.short(value)
    }
}

/// What a case must reach.
struct Target: Codable {
    enum Bound: String, Codable {
        case atMost = "≤"
        case atLeast = "≥"
    }

    /// Where it was asked for, such as `5.1`.
    var issue: String
    var what: String
    var bound: Bound
    var limit: Double
    var measured: Double
    var unit: String

    var isMet: Bool {
        switch bound {
        case .atMost: measured <= limit
        case .atLeast: measured >= limit
        }
    }
}
