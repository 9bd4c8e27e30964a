import Testing

/// What is tested over a connection. One after the other, since many of these tests measure who is cut off when.
@Suite(.serialized, .enabled(if: TestDatabase.isThere)) enum HTTPTests {}
