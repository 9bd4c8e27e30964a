import Dispatch
import Foundation
import Synchronization

/// Turns Ctrl-C and a polite kill into a flag that the work looks at.
struct Interruption {
    /// True once the user asked to stop. May be asked from any thread.
    let isRequested: @Sendable () -> Bool
    private let sources: [any DispatchSourceSignal]

    private final class Flag: Sendable {
        let isSet = Atomic(false)
    }

    init() {
        let flag = Flag()
        isRequested = { flag.isSet.load(ordering: .relaxed) }
        let queue = DispatchQueue(label: "reelway.signals")
        sources = [SIGINT, SIGTERM].map { number in
            // The default action would end the process before the output is cleaned up.
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: queue)
        }
        for source in sources {
            source.setEventHandler { flag.isSet.store(true, ordering: .relaxed) }
            source.resume()
        }
    }
}
