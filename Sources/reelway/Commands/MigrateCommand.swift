import ArgumentParser

/// `reelway migrate`: makes the tables what this version needs.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Add Reelway's columns, indexes and triggers to the database (safe to repeat).")

    @Flag(help: "Make the table product_videos, too, where it is absent.")
    var standalone = false

    @Flag(help: "Print the statements that would run, and run none.")
    var dryRun = false

    func run() async throws {
        try await DatabaseAccess.run { _, database in
            let steps = try await Schema.migrate(database, standalone: standalone, dryRun: dryRun)
            for step in steps {
                print(dryRun ? "-- \(step.name)\n\(step.sql)" : "applied \(step.name)")
            }
            if steps.isEmpty { print("nothing to do: the database is as this version needs it") }
        }
    }
}
