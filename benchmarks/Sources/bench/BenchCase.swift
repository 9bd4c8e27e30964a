import ArgumentParser

/// What all parts take from the command line.
struct BenchOptions: ParsableArguments {
    @Flag(help: "Few runs and short clips: shows that it works, and roughly where things stand.")
    var quick = false

    @Option(help: "Runs of each program in a case, instead of the case's own number.")
    var runs: Int?

    @Option(help: "Only these cases, by their names, separated by commas.")
    var only: String?

    @Option(
        help: "Another build of Reelway to run in turn with this one, in the cases that compare encodes and copies.")
    var beside: String?

    @Option(help: "The folder of natural clips.")
    var clips = "../shared/media"

    func validate() throws {
        if let runs, runs < 1 { throw ValidationError("--runs takes a number from 1") }
        if let beside, !Files.exists(beside) { throw ValidationError("--beside: there is no program \(beside)") }
    }
}

/// One thing to measure.
struct BenchCase: Sendable {
    var name: String
    var title: String
    var body: @Sendable (BenchOptions, inout CaseResult) throws -> Void

    /// Runs those that were chosen, keeps each result as soon as it is there, and prints what came out.
    static func run(_ cases: [BenchCase], part: String, _ options: BenchOptions) throws {
        try Workplace.prepare()
        defer { Workplace.clear() }
        let machine = try Machine.current()
        let chosen = options.only.map { $0.split(separator: ",").map(String.init) }
        let names = cases.map(\.name)
        if let unknown = chosen?.first(where: { !names.contains($0) }) {
            throw BenchError("\(part) has no case \(unknown); choose among \(names.joined(separator: ", "))")
        }
        var finished: [CaseResult] = []
        for item in cases where chosen?.contains(item.name) ?? true {
            Progress.head("\(part): \(item.title)")
            let begun = ContinuousClock.now
            var result = CaseResult(
                name: item.name, title: item.title, date: Today.text, machine: machine, isQuick: options.quick)
            try item.body(options, &result)
            // What another build took is no row of this one's table.
            if options.beside == nil { try ResultFile.keep(result, part: part, order: names) }
            Progress.say("took \(Numbers.short(begun.duration(to: .now) / .seconds(1))) s")
            finished.append(result)
        }
        print("\n" + ResultTable.render(finished))
    }
}
