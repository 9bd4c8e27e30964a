/// An element of the XML an S3 store answers with: its text and its children. Attributes and namespaces are passed over.
struct XMLElement: Equatable {
    var name: String
    var text = ""
    var children: [XMLElement] = []

    /// The root of a document; `nil` for anything that isn't whole and well-formed, as a gateway's HTML page.
    ///
    /// White space in front is fine: stores send it to keep a slow answer's connection alive. Documents that define
    /// entities of their own are refused.
    static func root(of document: [UInt8]) -> XMLElement? {
        var reader = XMLReader(bytes: document)
        return reader.document()
    }

    /// The first child of that name.
    func child(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// The text of the first child of that name.
    subscript(name: String) -> String? { child(name)?.text }

    /// All children of that name.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

private struct XMLReader {
    let bytes: [UInt8]
    var at = 0

    /// An S3 answer has four levels.
    private static let deepest = 32

    mutating func document() -> XMLElement? {
        skipBetween()
        guard !bytes[at...].starts(with: Array("<!".utf8)), let root = element(depth: 0) else { return nil }
        skipBetween()
        return at == bytes.count ? root : nil
    }

    private mutating func element(depth: Int) -> XMLElement? {
        guard depth < XMLReader.deepest, take("<"), let tag = upTo(">") else { return nil }
        let isEmpty = tag.last == UInt8(ascii: "/")
        let name = tag.prefix { !XMLReader.isSpace($0) && $0 != UInt8(ascii: "/") }
        guard let first = name.first, first != UInt8(ascii: "!"), first != UInt8(ascii: "?") else { return nil }
        var element = XMLElement(name: XMLReader.localName(name))
        if isEmpty { return element }

        var text: [UInt8] = []
        while at < bytes.count {
            if take("</") {
                guard let end = upTo(">"), end.prefix(while: { !XMLReader.isSpace($0) }).elementsEqual(name) else {
                    return nil
                }
                element.text = String(decoding: text, as: UTF8.self)
                return element
            } else if take("<!--") {
                guard upTo("-->") != nil else { return nil }
            } else if take("<![CDATA[") {
                guard let raw = upTo("]]>") else { return nil }
                text += raw
            } else if take("<?") {
                guard upTo("?>") != nil else { return nil }
            } else if bytes[at] == UInt8(ascii: "<") {
                guard let child = self.element(depth: depth + 1) else { return nil }
                element.children.append(child)
            } else if take("&") {
                guard let reference = upTo(";"), let scalar = XMLReader.scalar(reference) else { return nil }
                text += Array(String(Character(scalar)).utf8)
            } else {
                text.append(bytes[at])
                at += 1
            }
        }
        return nil
    }

    /// White space, the declaration and comments, in front of the root and behind it.
    private mutating func skipBetween() {
        while at < bytes.count {
            if XMLReader.isSpace(bytes[at]) {
                at += 1
            } else if !(take("<?") && upTo("?>") != nil) && !(take("<!--") && upTo("-->") != nil)
                && !take("\u{FEFF}")
            {
                return
            }
        }
    }

    private mutating func take(_ text: String) -> Bool {
        guard bytes[at...].starts(with: text.utf8) else { return false }
        at += text.utf8.count
        return true
    }

    /// What lies in front of the next `end`, which is passed.
    private mutating func upTo(_ end: String) -> ArraySlice<UInt8>? {
        let end = Array(end.utf8)
        var place = at
        while place + end.count <= bytes.count {
            if bytes[place] == end[0], bytes[place...].starts(with: end) {
                defer { at = place + end.count }
                return bytes[at..<place]
            }
            place += 1
        }
        return nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

    private static func localName(_ name: ArraySlice<UInt8>) -> String {
        let text = String(decoding: name, as: UTF8.self)
        return text.split(separator: ":").last.map(String.init) ?? text
    }

    private static func scalar(_ reference: ArraySlice<UInt8>) -> Unicode.Scalar? {
        let text = String(decoding: reference, as: UTF8.self)
        let named: [String: Unicode.Scalar] = ["amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'"]
        if let scalar = named[text] { return scalar }
        if text.hasPrefix("#x") { return UInt32(text.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init) }
        if text.hasPrefix("#") { return UInt32(text.dropFirst()).flatMap(Unicode.Scalar.init) }
        return nil
    }
}
