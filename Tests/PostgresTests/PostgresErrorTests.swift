import Testing

@testable import Postgres

struct PostgresErrorTests {
    @Test(arguments: [
        ("08006", true), ("08P01", true), ("53300", true), ("57P01", true), ("57P03", true), ("57014", true),
        ("40001", true),
        ("40P01", true), ("55P03", true), ("25006", true), ("28P01", false), ("3D000", false), ("42P01", false),
        ("22P02", false), ("23505", false), ("57P04", false), ("XX000", true), ("XX001", false), ("", false),
    ])
    func `an error code passes by itself or doesn't`(sqlState: String, isTransient: Bool) {
        #expect(PostgresError.isTransient(sqlState: sqlState) == isTransient)
    }

    @Test func `values the server quotes don't get into the sentence`() {
        let value = PostgresError.answered(
            sqlState: "22P02", text: #"invalid input syntax for type uuid: "my secret""#, constraint: nil)
        #expect(value.kind == .rejected(sqlState: "22P02") && !value.description.contains("my secret"))
        let rule = PostgresError.answered(
            sqlState: "23514", text: "row my secret violates", constraint: "reelway_ready")
        #expect(rule.description == "the database's rules forbid the change (SQLSTATE 23514 of reelway_ready)")
    }

    @Test(arguments: [
        (
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01: password authentication failed for user"
                + " \"x\"\nLOCATION:  auth_failed, auth.c:335\n",
            "28P01",
            "connection to server at \"127.0.0.1\", port 5432 failed: FATAL: password authentication failed for user \"x\""
        ),
        (
            "connection failed: FATALE:  3D000: il database \"y\" non esiste\nLOCATION:  InitPostgres, postinit.c:9\n",
            "3D000", "connection failed: FATALE: il database \"y\" non esiste"
        ),
        (
            "connection failed: Connection refused\n\tIs the server running?\n", nil,
            "connection failed: Connection refused\n\tIs the server running?"
        ),
        ("", nil, ""),
    ])
    func `a refused connection's code is read in any language`(said: String, sqlState: String?, text: String) {
        let refusal = Refusal(connectMessage: said)
        #expect(refusal.sqlState == sqlState)
        #expect(refusal.text == text)
    }
}
