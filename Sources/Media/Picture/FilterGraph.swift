internal import CFFmpeg

/// A chain of libavfilter's filters, for what libswscale can't do: deinterlacing and turning.
final class FilterGraph {
    private let library: reelway_filters
    private var graph: UnsafeMutablePointer<AVFilterGraph>?
    private var source: UnsafeMutablePointer<AVFilterContext>?
    private var sink: UnsafeMutablePointer<AVFilterContext>?
    private let width: Int
    private let height: Int
    private let format: AVPixelFormat

    /// Frame times travel through the graph as microseconds.
    private static let timeBase = Rational(1, 1_000_000)

    /// - Parameters:
    ///   - filters: the chain, in libavfilter's own language.
    ///   - frame: one of the frames that will come; all must have its size and format.
    init(_ filters: String, for frame: Frame, threads: Int?) throws {
        library = try FilterGraph.openLibrary()
        (width, height, format) = (frame.width, frame.height, frame.format)
        graph = library.graph_alloc()
        guard let graph else { throw MediaError.outOfMemory }
        graph.pointee.nb_threads = Int32(clamping: threads ?? 0)
        let base = FilterGraph.timeBase
        let arguments =
            "video_size=\(frame.width)x\(frame.height):pix_fmt=\(frame.format.rawValue):time_base=\(base.num)/\(base.den)"
        let isBuilt =
            library.graph_create_filter(&source, library.get_by_name("buffer"), "in", arguments, nil, graph) >= 0
            && library.graph_create_filter(&sink, library.get_by_name("buffersink"), "out", nil, nil, graph) >= 0
        guard isBuilt else { throw MediaError(.internal, "libavfilter has no buffer filters") }
        // The chain's open ends, named as seen from inside it.
        var outputs = library.inout_alloc()
        var inputs = library.inout_alloc()
        defer {
            library.inout_free(&outputs)
            library.inout_free(&inputs)
        }
        outputs?.pointee.name = av_strdup("in")
        outputs?.pointee.filter_ctx = source
        inputs?.pointee.name = av_strdup("out")
        inputs?.pointee.filter_ctx = sink
        try check(
            library.graph_parse_ptr(graph, filters, &inputs, &outputs, nil), "the filters \(filters) can't be read")
        try check(library.graph_config(graph, nil), "the filters \(filters) can't be used")
    }

    deinit { library.graph_free(&graph) }

    /// The library is opened when it is first needed, see `reelway_filters`; from then on this finds it at once.
    static func openLibrary() throws(MediaError) -> reelway_filters {
        var library = reelway_filters()
        if let fault = reelway_open_filters(&library) {
            throw MediaError(
                .internal,
                "libavfilter, which turns and deinterlaces pictures, can't be opened: \(String(cString: fault))")
        }
        return library
    }

    /// Whether the frame is of the size and format the graph was made for.
    func takes(_ frame: Frame) -> Bool { frame.width == width && frame.height == height && frame.format == format }

    /// Sends a frame through (`nil`: there are no more) and hands on whatever comes out.
    func filter(_ frame: Frame?, _ body: (Frame) throws -> Void) throws {
        if let frame { frame.pointer.pointee.pts = Int64((frame.time * 1e6).rounded()) }
        // The graph gets a reference of its own; the caller keeps the frame.
        try check(
            library.source_add_frame(source, frame?.pointer, Int32(AV_BUFFERSRC_FLAG_KEEP_REF)), "a filter failed")
        while true {
            let output = try Frame()
            let result = library.sink_get_frame(sink, output.pointer)
            if result == REELWAY_EAGAIN || result == REELWAY_EOF { return }
            try check(result, "a filter failed")
            // A deinterlacer counts in half the ticks it was given.
            output.time =
                Timestamp(output.pointer.pointee.pts, Rational(library.sink_get_time_base(sink)))?.seconds ?? 0
            output.duration = frame?.duration ?? 0
            try body(output)
        }
    }

    private func check(_ result: Int32, _ what: String) throws {
        guard result >= 0 else { throw MediaError(.internal, what, libav: result) }
    }
}
