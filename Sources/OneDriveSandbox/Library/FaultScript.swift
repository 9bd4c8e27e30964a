import LoopbackHTTP
import Synchronization

/// The faults still to come.
struct FaultScript {
    private var entries: [(fault: Fault, seen: Int)] = []

    init(_ faults: [Fault] = []) { entries = faults.map { ($0, 0) } }

    mutating func append(_ faults: [Fault]) { entries += faults.map { ($0, 0) } }

    /// What a request looks like to a fault.
    struct Circumstances {
        var endpoint: Fault.Endpoint
        var method: String
        var item: (name: String, id: String)?
        /// The item's bytes that the answer would carry.
        var bytes: Range<Int64>?
        var size: Int64?
    }

    /// The fault for this request, if one is due: the first that fits. Counts the request for all that fit before it.
    mutating func next(_ request: Circumstances) -> Fault.Action? {
        for index in entries.indices where Self.fits(entries[index].fault, request) {
            let fault = entries[index].fault
            let turn = entries[index].seen - fault.skip
            guard turn < fault.times else { continue }
            entries[index].seen += 1
            if turn >= 0 { return fault.action }
        }
        return nil
    }

    private static func fits(_ fault: Fault, _ request: Circumstances) -> Bool {
        guard fault.endpoint == request.endpoint else { return false }
        if let method = fault.method, method != request.method { return false }
        if let item = fault.item, item != request.item?.name, item != request.item?.id { return false }
        guard let position = fault.action.position ?? fault.covering, request.endpoint == .download else { return true }
        guard let bytes = request.bytes else { return false }
        return bytes.contains(position) || (position == request.size && position == bytes.upperBound)
    }
}

/// The faults still to come, shared by the sandbox's parts.
final class FaultQueue: Sendable {
    private let state: Mutex<(script: FaultScript, replacements: Int)>

    init(_ faults: [Fault] = []) { state = Mutex((FaultScript(faults), 0)) }

    /// Also ends what waits because of the faults before.
    func replace(with faults: [Fault]) { state.withLock { $0 = (FaultScript(faults), $0.replacements + 1) } }
    func append(_ faults: [Fault]) { state.withLock { $0.script.append(faults) } }
    func next(_ request: FaultScript.Circumstances) -> Fault.Action? { state.withLock { $0.script.next(request) } }

    /// How often the faults were replaced.
    var replacements: Int { state.withLock { $0.replacements } }

    /// Waits for a fault's time, or until the faults that held when it was taken are replaced.
    func wait(_ seconds: Double, since replacements: Int) async throws {
        try await Latency.wait(.seconds(seconds)) { self.replacements == replacements }
    }
}
