import ArgumentParser
import Foundation
import Media

/// Shows progress: to people on standard error, as JSON on standard output, where nothing else is said then.
final class ProgressDisplay {
    /// `auto` is a bar on a terminal and lines elsewhere.
    enum Style: String, ExpressibleByArgument, CaseIterable {
        case auto, bar, plain, json, none
    }

    /// How it is shown; never `auto`.
    let style: Style
    private let output: FileHandle
    private var isBarShown = false
    private var lastLine = -1
    /// What was shown last. A copy that failed is begun again as an encode, whose own progress begins at nothing.
    private var last: Media.Progress?

    /// - Parameter reportIsOnStandardOutput: then JSON goes to standard error, too.
    init(_ style: Style, reportIsOnStandardOutput: Bool) {
        self.style = style == .auto ? (isatty(FileHandle.standardError.fileDescriptor) == 1 ? .bar : .plain) : style
        output = style == .json && !reportIsOnStandardOutput ? .standardOutput : .standardError
    }

    func show(_ progress: Media.Progress) {
        let progress = progress.notBehind(last)
        last = progress
        let percent = Int(progress.progress * 100)
        let speed = progress.speed > 0 ? ", \(Text.short(progress.speed))x" : ""
        let left = progress.etaSeconds.map { ", \(Text.short($0.rounded())) s left" } ?? ""
        switch style {
        case .bar:
            let filled = percent * 30 / 100
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
            write("\r\u{1B}[K\(bar) \(percent) % \(progress.stage.rawValue)\(speed)\(left)")
            isBarShown = true
        case .plain:
            // A log gets a line for each tenth, not for each moment.
            guard percent / 10 > lastLine else { return }
            lastLine = percent / 10
            write("\(percent) % \(progress.stage.rawValue)\(speed)\(left)\n")
        case .json:
            if let line = try? JSON.text(of: progress, onOneLine: true) { write(line + "\n") }
        case .auto, .none:
            break
        }
    }

    func end() {
        if isBarShown { write("\r\u{1B}[K") }
        isBarShown = false
    }

    private func write(_ text: String) {
        // Nobody may be reading: that is no reason to stop, as `write(_:)` would.
        try? output.write(contentsOf: Data(text.utf8))
    }
}
