import Foundation

/// Which tones a clip sounds, by the `ffmpeg` program and Goertzel's filter.
struct Tones {
    var rate: Double
    /// Samples of each channel.
    var channels: [[Float]]

    init(_ path: String) throws {
        let audio = try FFprobe.read(path).audio
        rate = Double(audio?.sampleRate ?? "") ?? 0
        let count = max(audio?.channels ?? 1, 1)
        let raw = try Shell.ffmpeg(["-i", path, "-map", "0:a:0", "-f", "f32le", "-"])
        let samples = raw.withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
        channels = (0..<count).map { channel in
            stride(from: channel, to: samples.count, by: count).map { samples[$0] }
        }
    }

    /// The amplitude of a tone in a channel, in the second that begins 1 s into the clip.
    func amplitude(_ frequency: Double, channel: Int) -> Double {
        guard channel < channels.count, channels[channel].count >= Int(2 * rate) else { return 0 }
        let second = channels[channel][Int(rate)..<Int(2 * rate)]
        let factor = 2 * cos(2 * Double.pi * frequency / rate)
        var (last, before) = (0.0, 0.0)
        for sample in second { (last, before) = (Double(sample) + factor * last - before, last) }
        return 2 * max(last * last + before * before - factor * last * before, 0).squareRoot() / Double(second.count)
    }

    /// The greatest amplitude of a tone in any channel.
    func amplitude(_ frequency: Double) -> Double {
        channels.indices.map { amplitude(frequency, channel: $0) }.max() ?? 0
    }

    var peak: Float { channels.map { $0.reduce(0) { max($0, abs($1)) } }.max() ?? 0 }
}
