import Foundation

/// What the download host answers, decided before a byte is sent.
struct DownloadAnswer: Equatable {
    enum Ending: Equatable {
        case finish
        case close
        case reset
    }

    var status: Int
    var headers: [(name: String, value: String)]
    /// The item's bytes to send.
    var bytes: Range<Int64>
    /// Where in the item the sending pauses, and for how long.
    var stall: (at: Int64, seconds: Double)?
    /// The byte with its bits inverted.
    var flipped: Int64?
    var ending = Ending.finish

    static func == (left: Self, right: Self) -> Bool {
        left.status == right.status && left.bytes == right.bytes && left.flipped == right.flipped
            && left.ending == right.ending && left.stall?.at == right.stall?.at
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    /// Answers by the rules, or with the fault's change.
    static func make(
        item: Item, range: RequestedRange, supportsRanges: Bool, fault: Fault.Action?
    ) -> DownloadAnswer {
        var total = item.size
        var eTag = item.eTag
        if case .size(let change) = fault { total = max(0, total + change) }
        if case .changedETag = fault { eTag = "\"{00000000-0000-0000-0000-000000000000},1\"" }
        var headers: [(name: String, value: String)] = [
            ("Content-Type", "video/mp4"), ("ETag", eTag), ("Last-Modified", item.modified.httpDate),
            ("Cache-Control", "private,max-age=0"), ("X-Content-Type-Options", "nosniff"),
            ("Content-Disposition", "attachment; filename*=UTF-8''\(item.name.percentEncoded)"),
        ]
        if supportsRanges { headers.append(("Accept-Ranges", "bytes")) }

        var bytes = 0..<item.size
        var status = 200
        switch range {
        case .none: break
        case .unsatisfiable:
            return DownloadAnswer(
                status: 416, headers: [("Content-Range", "bytes */\(total)"), ("Content-Length", "0")], bytes: 0..<0)
        case .bytes(let asked):
            guard supportsRanges, fault != .ignoreRange else { break }
            status = 206
            bytes = asked
        }
        if case .otherRange(let distance) = fault { bytes = bytes.moved(by: distance, within: item.size) }
        if status == 206 {
            var label = "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/\(total)"
            if case .contentRange(let given) = fault { label = given }
            if !label.isEmpty { headers.append(("Content-Range", label)) }
        }
        var answer = DownloadAnswer(status: status, headers: headers, bytes: bytes)
        var length = Int64(bytes.count)
        switch fault {
        case .otherBytes(let distance): answer.bytes = bytes.moved(by: distance, within: item.size)
        case .contentLength(let change):
            length = max(0, length + change)
            answer.ending = .close
        case .size where status == 200:
            length = total
            answer.ending = .close
        case .flip(let at): answer.flipped = at
        case .stall(let at, let seconds): answer.stall = (at, seconds)
        case .reset(let at):
            answer.bytes = bytes.lowerBound..<at
            answer.ending = .reset
        case .close(let at):
            answer.bytes = bytes.lowerBound..<at
            answer.ending = .close
        default: break
        }
        answer.headers.append(("Content-Length", String(length)))
        return answer
    }
}

/// A Range header against an item's size.
enum RequestedRange: Equatable {
    /// No range, or one that a server ignores.
    case none
    case bytes(Range<Int64>)
    case unsatisfiable

    init(_ header: String?, size: Int64) {
        self = .none
        guard let header, header.hasPrefix("bytes="), !header.contains(",") else { return }
        let ends = header.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else { return }
        switch (Int64(ends[0]), Int64(ends[1])) {
        case (nil, let suffix?) where ends[0].isEmpty && suffix >= 0:
            self = suffix == 0 || size == 0 ? .unsatisfiable : .bytes(max(0, size - suffix)..<size)
        case (let first?, nil) where ends[1].isEmpty && first >= 0:
            self = first < size ? .bytes(first..<size) : .unsatisfiable
        case (let first?, let last?) where first >= 0 && last >= first:
            self = first < size ? .bytes(first..<min(size - 1, last) + 1) : .unsatisfiable
        default: return
        }
    }
}

extension Range<Int64> {
    /// As many bytes elsewhere, kept inside the item.
    fileprivate func moved(by distance: Int64, within size: Int64) -> Range<Int64> {
        let first = Swift.min(Swift.max(0, lowerBound + distance), size - Int64(count))
        return first..<first + Int64(count)
    }
}

extension String {
    fileprivate var percentEncoded: String { addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "" }
}

extension Date {
    /// `Tue, 24 Nov 2026 13:00:00 GMT`
    var httpDate: String {
        let form = DateFormatter()
        form.locale = Locale(identifier: "en_US_POSIX")
        form.timeZone = TimeZone(secondsFromGMT: 0)
        form.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        return form.string(from: self)
    }
}
