/// A date in a header, in the only form that may be sent (RFC 9110, section 5.6.7).
public enum HTTPDate {
    /// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970; `nil` for anything else.
    public static func seconds(_ text: some StringProtocol) -> Int64? {
        let parts = text.split(whereSeparator: { " :,".contains($0) })
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 8, parts[7] == "GMT", let monthIndex = months.firstIndex(of: String(parts[2])) else {
            return nil
        }
        let numbers = [parts[1], parts[3], parts[4], parts[5], parts[6]].compactMap { Int64($0) }
        guard numbers.count == 5, (1...31).contains(numbers[0]), (1601...9999).contains(numbers[1]),
            (0...23).contains(numbers[2]), (0...59).contains(numbers[3]), (0...60).contains(numbers[4])
        else { return nil }
        // Days since 1970 with the year beginning in March, so that the leap day comes last.
        let month = Int64(monthIndex) + 1
        let year = month > 2 ? numbers[1] : numbers[1] - 1
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + numbers[0] - 1
        let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
        return days * 86_400 + numbers[2] * 3600 + numbers[3] * 60 + numbers[4]
    }
}
