import Testing

@testable import Postgres

struct ConfigurationTests {
    @Test(arguments: [
        "", "nonsense planted-secret",
        "mysql://u:planted-secret@host/db",
        "host=x password='planted-secret", "postgres://u:planted-secret@[::1/db",
        "postgres://u:planted-secret@h/d?nosuch=1",
        "postgres://u:planted-secret@h/d\0",
    ])
    func `an address that can't be read is refused without being quoted`(address: String) {
        let error = #expect(throws: PostgresError.self) { try Configuration(address: address) }
        #expect(error?.kind == .unexpected)
        #expect(error?.description.contains("planted-secret") == false)
        #expect(error?.description.contains("postgres://user:password@host") == true)
    }

    @Test(arguments: ["postgresql://u:planted%2Fsecret@h:5/d", "host=h user=u password=planted/secret"])
    func `a password is taken out of whatever libpq says`(address: String) throws {
        let configuration = try Configuration(address: address)
        #expect(configuration.redacted("a\n\tplanted/secret b") == "a *** b")
    }

    @Test func `what is printed of a configuration is no secret`() throws {
        let configuration = try Configuration(address: "postgres://u:planted-secret@h:5/d")
        var dumped = ""
        dump(Database(configuration), to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] {
            #expect(!text.contains("planted-secret"), "\(text)")
        }
    }

    @Test func `pauses before connecting again grow to two seconds`() {
        #expect(Connection.pause(after: 0) == .milliseconds(50))
        #expect(Connection.pause(after: 1) == .milliseconds(50))
        #expect(Connection.pause(after: 3) == .milliseconds(200))
        #expect(Connection.pause(after: 7) == .milliseconds(2000))
        #expect(Connection.pause(after: .max) == .milliseconds(2000))
    }
}
