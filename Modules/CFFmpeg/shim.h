// FFmpeg as Swift sees it. A function stands here only for what Swift can't import: macros that are
// expressions or compound literals. Differences between FFmpeg versions are settled here as well.
#pragma once

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
static const int REELWAY_EXTERNAL = AVERROR_EXTERNAL;
static const int REELWAY_INVALIDDATA = AVERROR_INVALIDDATA;
static const int REELWAY_DECODER_NOT_FOUND = AVERROR_DECODER_NOT_FOUND;
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
