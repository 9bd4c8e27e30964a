import Foundation

/// What a path of Graph asks for.
enum GraphRoute: Equatable {
    /// How the drive was named.
    enum Drive: Equatable {
        case me
        case drive(String)
        case user(String)
    }
    /// How the item was named.
    enum Reference: Equatable {
        case id(String)
        case name(String)
    }

    case drive(Drive)
    case children(Drive)
    case item(Drive, Reference)
    case content(Drive, Reference)

    /// Reads `/v1.0/…`; `nil` for what isn't played.
    init?(path: String) {
        var parts = path.split(separator: "/").map { String($0).removingPercentEncoding ?? "" }[...]
        guard parts.popFirst() == "v1.0" else { return nil }
        let drive: Drive
        switch parts.popFirst() {
        case "me":
            guard parts.popFirst() == "drive" else { return nil }
            drive = .me
        case "users":
            guard let user = parts.popFirst(), parts.popFirst() == "drive" else { return nil }
            drive = .user(user)
        case "drives":
            guard let id = parts.popFirst() else { return nil }
            drive = .drive(id)
        default: return nil
        }
        switch parts.popFirst() {
        case nil: self = .drive(drive)
        case "root" where parts == ["children"]: self = .children(drive)
        case "root:":
            guard let name = parts.popFirst() else { return nil }
            if parts.isEmpty {
                self = .item(drive, .name(name))
            } else if name.hasSuffix(":"), parts == ["content"] {
                self = .content(drive, .name(String(name.dropLast())))
            } else {
                return nil
            }
        case "items":
            guard let id = parts.popFirst() else { return nil }
            if parts.isEmpty {
                self = .item(drive, .id(id))
            } else if parts == ["content"] {
                self = .content(drive, .id(id))
            } else {
                return nil
            }
        default: return nil
        }
    }

    var drive: Drive {
        switch self {
        case .drive(let drive), .children(let drive), .item(let drive, _), .content(let drive, _): drive
        }
    }

    var endpoint: Fault.Endpoint {
        switch self {
        case .drive, .children: .listing
        case .item: .item
        case .content: .content
        }
    }
}
