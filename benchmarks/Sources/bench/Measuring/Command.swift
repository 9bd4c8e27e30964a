/// A program with its arguments, to be run as it stands.
struct Command: Sendable {
    var program: String
    var arguments: [String]
    /// Added to the environment of this process.
    var environment: [String: String] = [:]
    /// Where standard output goes.
    var output = "/dev/null"

    init(_ program: String, _ arguments: [String], environment: [String: String] = [:], output: String = "/dev/null") {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.output = output
    }

    /// Runs it to its end.
    /// - Throws: When it fails, with the last of what it said.
    @discardableResult
    func run() throws -> Usage { try Child(self).finish() }

    /// Runs it and gives back what it printed.
    func text() throws -> String {
        var command = self
        command.output = Workplace.scratch("printed-\(UniqueNumber.next()).txt")
        try command.run()
        defer { Files.remove(command.output) }
        return try Files.text(command.output)
    }
}
