import Foundation
import Testing

/// What goes wrong around a worker: it is killed, stopped, and loses its database, its store, its source or its disk.
///
/// `make test` plays the quick part, `make chaos` all.
@Suite(.enabled(if: Shop.isThere), .serialized) enum ChaosTests {
    /// Whether there is time for all.
    static let isThorough = ProcessInfo.processInfo.environment["REELWAY_CHAOS"] != nil
}
