internal import CFFmpeg
internal import Synchronization

/// What libav said last: its own words make a bare error number diagnosable.
///
/// libav logs from its worker threads too, so the line is the process's and only ever an addition to a message.
enum LibavLog {
    private static let lastError = Mutex<String?>(nil)

    /// Routes libav's log here instead of to standard error. Done once for the process.
    static let install: Void = {
        av_log_set_level(AV_LOG_ERROR)
        av_log_set_callback { context, level, format, arguments in
            guard level <= AV_LOG_ERROR, let format, let arguments else { return }
            var prefix: Int32 = 1
            let line = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer -> String? in
                guard let base = buffer.baseAddress else { return nil }
                let written = av_log_format_line2(context, level, format, arguments, base, 512, &prefix)
                return written > 0 ? String(cString: base) : nil
            }
            guard let line else { return }
            // Addresses of contexts (`[h264 @ 0x55d…]`) differ from run to run and help nobody.
            let words = line.split(whereSeparator: \.isWhitespace).filter { $0 != "@" && !$0.hasPrefix("0x") }
            let text = words.joined(separator: " ")
            LibavLog.lastError.withLock { $0 = text }
        }
    }()

    /// Forgets what was said, so that a later line belongs to what comes now.
    static func clear() { lastError.withLock { $0 = nil } }

    /// libav's words for its error number, with its last log line where there is one.
    static func describe(_ code: Int32) -> String {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer -> String in
            guard let base = buffer.baseAddress, av_strerror(code, base, 128) >= 0 else { return "error \(code)" }
            return String(cString: base)
        }
        guard let line = lastError.withLock({ $0 }) else { return text }
        return "\(text) (\(line))"
    }
}

extension MediaError {
    /// What an error number of libav's means: `out_of_memory` where memory ran out, as another try may find some, else
    /// `code`.
    init(_ code: Code, _ message: String, libav result: Int32) {
        self =
            result == REELWAY_ENOMEM
            ? .outOfMemory : MediaError(code, "\(message): \(LibavLog.describe(result))")
    }
}
