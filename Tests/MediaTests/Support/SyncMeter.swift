import Foundation

/// Measures a flash-and-beep clip: when the picture turns white and when the 1 kHz tone begins.
///
/// A picture's instant is the time stamp of its frame, the sound's that of the sample at which a 1 ms window centred
/// on it holds half of the tone. On AAC of this machine's ffmpeg that is right to 0.3 ms.
struct SyncMeter {
    struct Event: CustomStringConvertible {
        var picture: Double
        var sound: Double
        /// Seconds by which the sound comes after its picture.
        var offset: Double { sound - picture }
        var description: String { String(format: "%.4f s: %+.1f ms", picture, offset * 1000) }
    }

    var flashes: [Double]
    var beeps: [Double]
    /// Each flash with the beep that is nearest to it.
    var events: [Event] = []
    /// The source frame that each output frame shows, as its squares count it.
    var counts: [(time: Double, number: Int)] = []

    /// - Parameter reach: how far apart a flash and its beep may lie.
    init(_ path: String, reach: Double = 0.4) throws {
        // 40 x 20: the squares are 4 x 4, the flash is above them.
        let pictures = try Pixels.gray(of: path, width: 40, height: 20)
        flashes = []
        var wasWhite = false
        for (time, bytes) in pictures {
            let first = bytes.startIndex
            let above = bytes[first..<(first + 40 * 14)]
            let white = above.reduce(0) { $0 + Int($1) } > 128 * above.count
            if white, !wasWhite { flashes.append(time) }
            wasWhite = white
            var number = 0
            for bit in 0..<10 where bytes[first + 18 * 40 + bit * 4 + 2] > 128 { number |= 1 << bit }
            counts.append((time, number))
        }
        beeps = try Self.onsets(path)
        events = flashes.compactMap { flash in
            beeps.min { abs($0 - flash) < abs($1 - flash) }
                .flatMap { abs($0 - flash) <= reach ? Event(picture: flash, sound: $0) : nil }
        }
    }

    private static func onsets(_ path: String) throws -> [Double] {
        let probe = try FFprobe.read(path)
        guard let rate = Double(probe.audio?.sampleRate ?? "") else { return [] }
        let frames = try FFprobe.frames(path, "a:0")
        let raw = try Shell.ffmpeg(["-i", path, "-map", "0:a:0", "-ac", "1", "-f", "f32le", "-"])
        let samples = raw.withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
        let starts = onsetIndices(samples, rate: rate)
        var begin = 0
        var times: [(index: Int, time: Double)] = []
        for frame in frames {
            times.append((begin, frame.time))
            begin += frame.nbSamples ?? 0
        }
        return starts.map { onset in
            let frame = times.last { Double($0.index) <= onset } ?? (0, 0)
            return frame.time + (onset - Double(frame.index)) / rate
        }
    }

    /// Where a 1 kHz tone begins, in samples.
    static func onsetIndices(_ samples: [Float], rate: Double) -> [Double] {
        let window = Int((rate / 1000).rounded())
        guard samples.count > 2 * window else { return [] }
        var envelope = [Double](repeating: 0, count: samples.count)
        samples.withUnsafeBufferPointer { samples in
            let step = 2 * Double.pi * 1000 / rate
            var (real, imaginary) = (0.0, 0.0)
            var terms = [(Double, Double)](repeating: (0, 0), count: window)
            for index in 0..<samples.count {
                let value = Double(samples[index])
                let term = (value * cos(step * Double(index)), value * sin(step * Double(index)))
                let old = terms[index % window]
                terms[index % window] = term
                real += term.0 - old.0
                imaginary += term.1 - old.1
                let centre = index - window / 2
                if centre >= 0 { envelope[centre] = (real * real + imaginary * imaginary).squareRoot() }
            }
        }
        let peak = envelope.max() ?? 0
        guard peak > 0.02 * Double(window) else { return [] }
        var onsets: [Double] = []
        var index = 1
        while index < envelope.count {
            if envelope[index] > 0.5 * peak {
                let (before, here) = (envelope[index - 1], envelope[index])
                onsets.append(Double(index) - (here > before ? (here - 0.5 * peak) / (here - before) : 0))
                index += Int(0.3 * rate)
            } else {
                index += 1
            }
        }
        return onsets
    }
}
