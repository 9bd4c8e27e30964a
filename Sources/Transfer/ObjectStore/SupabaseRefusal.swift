internal import Foundation

/// The JSON of a refusal by Supabase's storage: `{"statusCode":"404","error":"not_found","code":"NoSuchKey"}`.
struct SupabaseRefusal: Decodable {
    /// The status that counts; the HTTP status is 400 nearly always.
    let statusCode: Int?
    /// A word, in older servers.
    let error: String?
    /// A word, in newer servers.
    let code: String?

    /// `nil` for a body that isn't such JSON, as a gateway's page.
    init?(_ body: [UInt8]) {
        guard let refusal = try? JSONDecoder().decode(SupabaseRefusal.self, from: Data(body)) else { return nil }
        self = refusal
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        let text = try? values.decodeIfPresent(String.self, forKey: .statusCode)
        let number = try? values.decodeIfPresent(Int.self, forKey: .statusCode)
        statusCode = number ?? text.flatMap { Int($0) }
        error = try? values.decodeIfPresent(String.self, forKey: .error)
        code = try? values.decodeIfPresent(String.self, forKey: .code)
    }

    private enum Key: CodingKey { case statusCode, error, code }
}
