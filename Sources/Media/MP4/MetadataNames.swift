/// Finds what describes a movie or a track: user data, metadata items, vendor boxes.
///
/// Only names are kept. Whether a file says where it was shot is answered by `©xyz`, `loci` or a key such as
/// `com.apple.quicktime.location.ISO6709`; the place itself is nobody's business here.
enum MetadataNames {
    /// Names listed at most; a hostile file could hold millions.
    private static let maximumCount = 256

    /// Names of what lies directly in a `moov` or `trak` payload and holds anything.
    static func found(in payload: ArraySlice<UInt8>) -> [String] {
        var names: [String] = []
        for box in BoxReader(payload) {
            guard names.count < maximumCount else { break }
            switch box.type {
            case "udta": names += userData(box.payload)
            case "meta": names += items(box.payload)
            case "uuid" where holdsAnything(box.payload): names.append("uuid")
            default: break
            }
        }
        return Array(names.prefix(maximumCount))
    }

    /// QuickTime user data, and the MPEG-4 boxes stored beside it. A `meta` in it is named by its items alone.
    private static func userData(_ payload: ArraySlice<UInt8>) -> [String] {
        var names: [String] = []
        for box in BoxReader(payload) {
            guard names.count < maximumCount else { break }
            if box.type == "meta" {
                names += items(box.payload)
            } else if holdsAnything(box.payload) {
                names.append("udta/\(box.type)")
            }
        }
        return names
    }

    /// The items of a `meta`: by `keys` in QuickTime's style, by `ilst` in iTunes's, else the box of another kind.
    private static func items(_ payload: ArraySlice<UInt8>) -> [String] {
        // A full box in MPEG-4 and a plain one in QuickTime: the type of the first child tells.
        let isPlain = payload.dropFirst(4).prefix(4).elementsEqual("hdlr".utf8)
        let children = isPlain ? payload : payload.dropFirst(4)
        let keys = BoxReader.first("keys", in: children).map(keyNames) ?? []
        var names: [String] = []
        for box in BoxReader(children) {
            guard names.count < maximumCount else { break }
            switch box.type {
            case "hdlr", "free", "skip", "keys":
                break
            case "ilst":
                for item in BoxReader(box.payload) {
                    guard names.count < maximumCount else { break }
                    if holdsAnything(item.payload) { names.append("meta/\(name(of: item.type, keys: keys))") }
                }
            default:
                if holdsAnything(box.payload) { names.append("meta/\(box.type)") }
            }
        }
        return names
    }

    /// QuickTime numbers its keys from 1 and stores the number in place of an item's type.
    private static func name(of type: String, keys: [String]) -> String {
        var number = 0
        for scalar in type.unicodeScalars { number = number << 8 | Int(scalar.value & 0xFF) }
        return keys.indices.contains(number - 1) ? keys[number - 1] : type
    }

    private static func keyNames(_ payload: ArraySlice<UInt8>) -> [String] {
        var reader = ByteReader(payload)
        guard reader.skip(4), let claimed = reader.u32() else { return [] }
        var names: [String] = []
        for _ in 0..<min(Int(claimed), maximumCount) {
            guard let size = reader.u32(), size >= 8, reader.skip(4), let key = reader.bytes(Int(size) - 8) else {
                break
            }
            names.append(String(decoding: key.prefix(128), as: UTF8.self))
        }
        return names
    }

    private static func holdsAnything(_ payload: ArraySlice<UInt8>) -> Bool { payload.contains { $0 != 0 } }
}
