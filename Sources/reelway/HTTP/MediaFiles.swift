import Foundation
import HTTPTypes
import Hummingbird

/// `/media/`: the finished videos of `STORAGE_DIR`, as Instagram's fetcher and browsers want them (ranges, HEAD, ETag).
struct MediaFiles: Sendable {
    let folder: String

    private let files = FileIO()

    init(folder: String) { self.folder = folder }

    var endpoints: [Endpoint] {
        [HTTPRequest.Method.get, .head].map { method in
            Endpoint(method, "/media/{videoId}/{name}", access: .open) { request, context in
                try await serve(request, context)
            }
        }
    }

    private func serve(_ request: Request, _ context: APIContext) async throws -> Response {
        let parts = [try context.pathParameter("videoId"), try context.pathParameter("name")]
        guard parts.allSatisfy(Self.isPlain), parts[1].hasSuffix(".mp4"),
            let found = Self.find(([folder] + parts).joined(separator: "/"))
        else {
            throw APIError(.notFound, ErrorCode.inputNotFound.rawValue, "there is no such file")
        }
        // The name is made of the source's identity, so size and time tell versions apart.
        let tag = "\"\(String(found.size, radix: 16))-\(String(found.changed.bitPattern, radix: 16))\""
        var headers: HTTPFields = [
            .contentType: "video/mp4", .acceptRanges: "bytes", .eTag: tag,
            .cacheControl: "public, max-age=31536000, immutable",
        ]
        headers[named: "x-content-type-options"] = "nosniff"
        if let known = request.headers[.ifNoneMatch], known == "*" || known.contains(tag) {
            return Response(status: .notModified, headers: headers)
        }
        let isCurrent = request.headers[.ifRange].map { $0 == tag } ?? true
        let range = isCurrent ? ByteRange(header: request.headers[.range], size: found.size) : .whole
        let wanted: ClosedRange<Int>
        switch range {
        case .unsatisfiable:
            throw APIError(
                .rangeNotSatisfiable, ErrorCode.usage.rawValue, "the file has \(found.size) bytes",
                headers: [.contentRange: "bytes */\(found.size)"])
        case .whole:
            guard found.size > 0 else { return Response(status: .ok, headers: headers) }
            wanted = 0...(found.size - 1)
        case .part(let part):
            wanted = part
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound)/\(found.size)"
        }
        headers[.contentLength] = String(wanted.count)
        let status: HTTPResponse.Status = range == .whole ? .ok : .partialContent
        guard request.method == .get else { return Response(status: status, headers: headers) }
        let body = try await files.loadFile(path: found.path, range: wanted, context: context)
        return Response(status: status, headers: headers, body: body)
    }

    /// No way up, no hidden file, no second separator behind a percent sign.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && !name.contains("/") && !name.contains("\\")
    }

    /// A regular file and no symbolic link to one; the folders on the way to it may be links.
    private static func find(_ path: String) -> (path: String, size: Int, changed: Double)? {
        guard let facts = try? FileManager.default.attributesOfItem(atPath: path),
            facts[.type] as? FileAttributeType == .typeRegular, let size = facts[.size] as? Int,
            let changed = facts[.modificationDate] as? Date
        else { return nil }
        return (path, size, changed.timeIntervalSince1970)
    }
}

/// What a Range header asks of a file (RFC 9110, section 14.2). Several ranges, and what isn't understood, mean the whole.
enum ByteRange: Equatable {
    case whole
    case part(ClosedRange<Int>)
    case unsatisfiable

    init(header: String?, size: Int) {
        guard let header, header.lowercased().hasPrefix("bytes=") else {
            self = .whole
            return
        }
        let ends = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
            .map { $0.trimmingCharacters(in: .whitespaces) }
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }) else {
            self = .whole
            return
        }
        // A number too large to be read is beyond every file.
        let (first, last) = (Int(ends[0]), Int(ends[1]) ?? .max)
        switch (ends[0].isEmpty, ends[1].isEmpty) {
        case (true, true): self = .whole
        case (true, false):
            self = last == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - last)...(size - 1))
        case (false, _):
            guard let first, first < size else {
                self = .unsatisfiable
                return
            }
            let end = ends[1].isEmpty ? size - 1 : min(last, size - 1)
            self = end < first ? .whole : .part(first...end)
        }
    }
}
