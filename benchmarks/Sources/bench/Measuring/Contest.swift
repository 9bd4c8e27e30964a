import Glibc

/// Programs that do the same work, run in turn (A B C, B C A …), so that what else the machine does meets all of them.
struct Contest {
    struct Contender {
        var name: String
        var command: Command
        /// What else is to be known of a finished run, such as its output's size.
        var figures: () throws -> [Figure] = { [] }
    }

    var contenders: [Contender] = []

    mutating func add(_ name: String, _ command: Command, figures: @escaping () throws -> [Figure] = { [] }) {
        contenders.append(Contender(name: name, command: command, figures: figures))
    }

    /// Reelway, and right after it the other build that was asked for.
    mutating func addReelway(
        _ command: Command, _ options: BenchOptions, figures: @escaping () throws -> [Figure] = { [] }
    ) {
        add("Reelway", command, figures: figures)
        if let beside = options.beside {
            var other = command
            other.program = beside
            add("Reelway, other build", other, figures: figures)
        }
    }

    /// Makes the rows of a case: every contender `times` times.
    func run(times: Int, into result: inout CaseResult) throws {
        result.rows = try run(times: times)
        result.inTurn = true
    }

    /// Every contender `times` times. Figures are taken after the last round.
    func run(times: Int) throws -> [Row] {
        var rows = contenders.map { Row(program: $0.name) }
        for round in 0..<times {
            for step in contenders.indices {
                let index = (round + step) % contenders.count
                let contender = contenders[index]
                let usage = try contender.command.run()
                rows[index].runs.append(usage)
                Progress.say("\(contender.name): \(Numbers.short(usage.wall)) s, \(Numbers.short(usage.cpu)) CPU s")
                if round == times - 1 { rows[index].figures = try contender.figures() }
            }
        }
        return rows
    }
}

/// Tells what goes on, on standard output.
enum Progress {
    static func say(_ text: String) {
        print("  " + text)
        fflush(nil)
    }

    static func head(_ text: String) {
        print("\n" + text)
        fflush(nil)
    }
}
