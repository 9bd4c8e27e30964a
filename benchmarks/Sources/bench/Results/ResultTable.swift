/// Measured cases as Markdown.
enum ResultTable {
    static func render(_ cases: [CaseResult]) -> String {
        var text = targets(cases)
        for result in cases { text += "\n" + render(result) }
        return text
    }

    static func render(_ result: CaseResult) -> String {
        var text = "**\(result.title)** (`\(result.name)`, \(result.date)\(result.isQuick ? ", quick" : ""))\n\n"
        var names: [String] = []
        for row in result.rows {
            for figure in row.figures where !names.contains(figure.name) { names.append(figure.name) }
        }
        let timed = result.rows.contains { !$0.runs.isEmpty }
        let paired = result.inTurn
        var head = timed ? ["", "runs", "wall s", "CPU s", "peak MiB"] : [""]
        if paired { head += ["first's wall", "first's CPU"] }
        head += names
        text += line(head) + line(["---"] + head.dropFirst().map { _ in "--:" })
        for row in result.rows {
            var cells = [row.program]
            if timed {
                cells +=
                    row.runs.isEmpty
                    ? ["", "", "", ""]
                    : [
                        "\(row.runs.count)", Numbers.short(row.wall), Numbers.short(row.cpu),
                        row.peakBytes.map(Numbers.mebibytes) ?? "",
                    ]
            }
            if paired {
                let first = result.rows[0].runs
                let ratios = [\Usage.wall, \Usage.cpu].map { value in
                    zip(first, row.runs).map { $0[keyPath: value] / $1[keyPath: value] }.median
                }
                cells += row.program == result.rows[0].program ? ["", ""] : ratios.map { Numbers.fixed($0, 3) + " ×" }
            }
            cells += names.map { name in
                row.figures.first { $0.name == name }.map(\.text) ?? ""
            }
            text += line(cells)
        }
        for note in result.notes { text += "\n\(note)\n" }
        return text
    }

    static func targets(_ cases: [CaseResult]) -> String {
        guard !cases.allSatisfy(\.targets.isEmpty) else { return "" }
        var text =
            line(["target", "asked for in", "limit", "measured", ""]) + line(["---", "---", "--:", "--:", "---"])
        for target in cases.flatMap(\.targets) {
            func value(_ number: Double) -> String {
                let digits = target.unit == "×" ? Numbers.fixed(number, 3) : Numbers.short(number)
                return target.unit.isEmpty ? digits : "\(digits) \(target.unit)"
            }
            text += line([
                target.what, "issue \(target.issue)", "\(target.bound.rawValue) \(value(target.limit))",
                value(target.measured), target.isMet ? "met" : "**missed**",
            ])
        }
        return text
    }

    /// The machines and versions the cases were measured with, a line each.
    static func machines(_ cases: [CaseResult]) -> String {
        var seen: [Machine] = []
        for result in cases where !seen.contains(result.machine) { seen.append(result.machine) }
        return seen.map { machine in
            let programs = machine.programs.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            let dates = Set(cases.filter { $0.machine == machine }.map(\.date)).sorted()
            return "\(dates.joined(separator: ", ")): \(machine.processor), \(machine.cores) cores, "
                + "\(Numbers.short(machine.memoryGiB)) GiB; \(machine.system). \(programs.joined(separator: "; ")).\n"
        }.joined()
    }

    private static func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
}
