// FFmpeg as Swift sees it. A function stands here only for what Swift can't import: macros that are
// expressions or compound literals. Differences between FFmpeg versions are settled here as well.
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/channel_layout.h>
#include <libavutil/cpu.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>

static inline int reelway_averror(int errnum) { return AVERROR(errnum); }
static const int64_t REELWAY_NOPTS = AV_NOPTS_VALUE;
static const int REELWAY_EOF = AVERROR_EOF;
static const int REELWAY_EAGAIN = AVERROR(EAGAIN);
static const int REELWAY_EXIT = AVERROR_EXIT;
static const int REELWAY_ENOMEM = AVERROR(ENOMEM);

// Codecs call it on their own threads: always since libavcodec 60, before that where a deprecated field allows it.
static inline void reelway_set_get_buffer(AVCodecContext *context, int (*get)(AVCodecContext *, AVFrame *, int)) {
    context->get_buffer2 = get;
#if LIBAVCODEC_VERSION_MAJOR < 60
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    context->thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#endif
}

// libavfilter's functions, found when a picture first needs them. Linked, it would bring some thirty libraries along,
// of speech and of graphics cards, into every start: 11 MiB, and a third of the time of `reelway --version`.
struct reelway_filters {
    __typeof__(avfilter_get_by_name) *get_by_name;
    __typeof__(avfilter_graph_alloc) *graph_alloc;
    __typeof__(avfilter_graph_config) *graph_config;
    __typeof__(avfilter_graph_create_filter) *graph_create_filter;
    __typeof__(avfilter_graph_free) *graph_free;
    __typeof__(avfilter_graph_parse_ptr) *graph_parse_ptr;
    __typeof__(avfilter_inout_alloc) *inout_alloc;
    __typeof__(avfilter_inout_free) *inout_free;
    __typeof__(av_buffersrc_add_frame_flags) *source_add_frame;
    __typeof__(av_buffersink_get_frame) *sink_get_frame;
    __typeof__(av_buffersink_get_time_base) *sink_get_time_base;
};

// Null, or what is wrong. The library stays open: what it starts can outlive a graph.
static inline const char *reelway_open_filters(struct reelway_filters *filters) {
    const char *name = "libavfilter.so." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) return dlerror();
    int missing = 0;
#define REELWAY_FIND(field, function) missing += !(filters->field = dlsym(library, #function))
    REELWAY_FIND(get_by_name, avfilter_get_by_name);
    REELWAY_FIND(graph_alloc, avfilter_graph_alloc);
    REELWAY_FIND(graph_config, avfilter_graph_config);
    REELWAY_FIND(graph_create_filter, avfilter_graph_create_filter);
    REELWAY_FIND(graph_free, avfilter_graph_free);
    REELWAY_FIND(graph_parse_ptr, avfilter_graph_parse_ptr);
    REELWAY_FIND(inout_alloc, avfilter_inout_alloc);
    REELWAY_FIND(inout_free, avfilter_inout_free);
    REELWAY_FIND(source_add_frame, av_buffersrc_add_frame_flags);
    REELWAY_FIND(sink_get_frame, av_buffersink_get_frame);
    REELWAY_FIND(sink_get_time_base, av_buffersink_get_time_base);
#undef REELWAY_FIND
    return missing ? "functions are missing in libavfilter" : NULL;
}
