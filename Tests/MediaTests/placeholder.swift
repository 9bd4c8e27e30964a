import Testing
@testable import Media
@Test func version() { #expect(!Reelway.version.isEmpty) }
