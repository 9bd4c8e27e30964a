import Foundation
import Postgres

/// What the application's table looks like, as far as it is the application's choice.
struct VideoTable: Sendable, Equatable {
    /// The type of `id`: `uuid`, `bigint`, `text` or their like.
    let idType: String
    /// The type of `product_id`; nil where there is no such column.
    let productType: String?
    /// The columns that may be absent and are not.
    private let optionalColumns: Set<String>

    /// Reads the catalogue.
    ///
    /// - Throws: `PostgresError`, of kind `rejected` where the table is absent or not migrated.
    init(in database: Database) async throws {
        let answer = try await database.query(
            """
            select attname::text as name, format_type(atttypid, null) as type
            from pg_attribute
            where attrelid = to_regclass('product_videos') and attnum > 0 and not attisdropped
            """)
        var types: [String: String] = [:]
        for row in answer.rows { types[try row.decode(String.self, "name")] = try row.decode(String.self, "type") }
        guard let idType = types["id"], types["onedrive_file_id"] != nil, types["social_ready_fence"] != nil else {
            throw PostgresError(
                .rejected(sqlState: "42P01"),
                types.isEmpty
                    ? "the database has no table product_videos where Reelway looks (search_path); run reelway migrate"
                    : "the table product_videos lacks columns of Reelway's (it needs id and onedrive_file_id of the"
                        + " application); run reelway migrate")
        }
        self.idType = idType
        productType = types["product_id"]
        optionalColumns = Set(["onedrive_drive_id", "filename", "product_id"].filter { types[$0] != nil })
    }

    /// The spelling under which the database knows an id, or nil where no row can have it.
    func normalized(_ id: String) -> String? { Self.normalized(id, as: idType) }

    /// The spelling under which the database knows a product's id, or nil where no row can have it.
    func normalized(product id: String) -> String? { productType.flatMap { Self.normalized(id, as: $0) } }

    /// A parameter as the type of `id`, so that the index on it is used.
    func cast(_ parameter: String) -> String { "\(parameter)::text::\(idType)" }

    /// The text of a column of the row `v` that may be absent.
    func optional(_ column: String) -> String {
        optionalColumns.contains(column) ? "v.\(column)::text" : "null::text"
    }

    /// The drive of the row `v`; null where it is the account's own.
    var driveID: String { "nullif(\(optional("onedrive_drive_id")), '')" }

    private static func normalized(_ id: String, as type: String) -> String? {
        switch type {
        case "uuid": UUID(uuidString: id).map(\.postgresText)
        case "bigint": Int64(id).map(\.postgresText)
        case "integer": Int32(id).map { String($0) }
        case "smallint": Int16(id).map { String($0) }
        default: id.isEmpty || id.utf8.contains(0) ? nil : id
        }
    }
}
