import Foundation

/// openapi.json as it is served, and a checker for the part of JSON Schema that it uses.
struct APIDescription: @unchecked Sendable {  // what JSONSerialization made, never changed
    private let root: [String: Any]

    init(from service: LiveService) async throws {
        let answer = try await service.request("GET", "/openapi.json")
        root = answer.json
    }

    /// `GET /videos/{id}` and so on.
    var operations: Set<String> {
        let paths = root["paths"] as? [String: [String: Any]] ?? [:]
        return Set(paths.flatMap { path, methods in methods.keys.map { "\($0.uppercased()) \(path)" } })
    }

    private func operation(_ method: String, _ path: String) -> [String: Any] {
        let paths = root["paths"] as? [String: [String: Any]] ?? [:]
        return paths[path]?[method.lowercased()] as? [String: Any] ?? [:]
    }

    /// Whether an operation needs no token.
    func isOpen(_ method: String, _ path: String) -> Bool {
        (operation(method, path)["security"] as? [Any])?.isEmpty == true
    }

    /// What is wrong with an answer.
    func faults(of answer: HTTPConnection.Answer, to method: String, _ path: String) -> [String] {
        let responses = operation(method, path)["responses"] as? [String: Any] ?? [:]
        guard let described = responses[String(answer.status)] else {
            return ["the status \(answer.status) isn't described"]
        }
        let contents = resolved(described)["content"] as? [String: [String: Any]] ?? [:]
        let type = answer.headers["content-type"]?.split(separator: ";").first.map(String.init)
        guard !contents.isEmpty else { return answer.body.isEmpty ? [] : ["a body isn't described"] }
        guard let content = contents[type ?? ""], let schema = content["schema"] as? [String: Any] else {
            return ["the type \(type ?? "none") isn't described"]
        }
        guard type == "application/json" else { return [] }
        guard let value = try? JSONSerialization.jsonObject(with: answer.body) else { return ["the body is no JSON"] }
        return faults(of: value, as: schema)
    }

    /// What is wrong with a value.
    func faults(of value: Any, as schema: [String: Any], at place: String = "") -> [String] {
        let schema = resolved(schema)
        if let choices = schema["oneOf"] as? [[String: Any]] {
            let fitting = choices.filter { self.faults(of: value, as: $0, at: place).isEmpty }
            return fitting.count == 1 ? [] : ["\(place) fits \(fitting.count) of the choices"]
        }
        let types = schema["type"] as? [String] ?? (schema["type"] as? String).map { [$0] } ?? []
        guard types.isEmpty || types.contains(where: { Self.isOf($0, value) }) else {
            return ["\(place) is no \(types)"]
        }
        var faults: [String] = []
        if let words = schema["enum"] as? [String], let text = value as? String, !words.contains(text) {
            faults.append("\(place) is \(text), not one of \(words)")
        }
        if let pattern = schema["pattern"] as? String, let text = value as? String,
            text.range(of: pattern, options: .regularExpression) == nil
        {
            faults.append("\(place) doesn't match \(pattern)")
        }
        if schema["format"] as? String == "date-time", let text = value as? String,
            (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))) == nil
        {
            faults.append("\(place) is no time: \(text)")
        }
        if let number = value as? Double {
            if let least = schema["minimum"] as? Double, number < least { faults.append("\(place) is below \(least)") }
            if let most = schema["maximum"] as? Double, number > most { faults.append("\(place) is above \(most)") }
        }
        if let members = value as? [String: Any] {
            let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
            for name in schema["required"] as? [String] ?? [] where members[name] == nil {
                faults.append("\(place).\(name) is missing")
            }
            for (name, member) in members {
                if let property = properties[name] {
                    faults += self.faults(of: member, as: property, at: "\(place).\(name)")
                } else if schema["additionalProperties"] as? Bool == false {
                    faults.append("\(place).\(name) isn't described")
                }
            }
        }
        if let elements = value as? [Any], let items = schema["items"] as? [String: Any] {
            for (index, element) in elements.enumerated() {
                faults += self.faults(of: element, as: items, at: "\(place)[\(index)]")
            }
        }
        return faults
    }

    private func resolved(_ value: Any) -> [String: Any] {
        guard let object = value as? [String: Any] else { return [:] }
        guard let reference = object["$ref"] as? String else { return object }
        let target = reference.split(separator: "/").dropFirst().reduce(root as Any) { node, name in
            (node as? [String: Any])?[String(name)] ?? [:]
        }
        return resolved(target)
    }

    private static func isOf(_ type: String, _ value: Any) -> Bool {
        switch type {
        case "null": value is NSNull
        case "string": value is String
        case "object": value is [String: Any]
        case "array": value is [Any]
        case "boolean": value is Bool
        case "integer": (value as? Double).map { $0 == $0.rounded() } ?? false
        case "number": value is Double
        default: false
        }
    }
}
