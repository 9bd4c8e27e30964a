// The loop itself; ROWS is what the function is called, AVX2 and GATHER what it may use on x86.
//
//     codes ─▶ to_light ─▶ to_display: OOTF, primaries, tone curve ─▶ to_codes
//
// A vector's eight lanes are pixels of one row, in four neighbouring 2x2 blocks. A block's chroma is the same for all of
// its pixels, so that R' = Y + offset(Cr) needs no arithmetic per pixel but an addition to the index of a table.
//
// Each step is taken for a group of vectors before the next is: what hangs on a look-up waits for it, and the processor
// finds enough to do meanwhile only where many look-ups that don't hang on each other follow.
#include <CLight.h>
#include <stddef.h>
#include <string.h>

#if defined(AVX2) && defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#endif

// Vectors have no calling convention of their own without AVX; no function here is called with them, as all are inlined.
#pragma clang diagnostic ignored "-Wpsabi"
#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(32)));
typedef int32_t ints __attribute__((vector_size(32)));
typedef uint64_t pairs __attribute__((vector_size(32)));
typedef float block_lanes __attribute__((vector_size(16)));
typedef int32_t block_ints __attribute__((vector_size(16)));

typedef struct {
    ints red, green, blue;
} offsets;

typedef struct {
    lanes red, blue, luma;
} signals;

// Columns of four blocks, each with a vector of the upper row and one of the lower.
enum { GROUP = 8 };

typedef struct {
    lanes red[2 * GROUP], green[2 * GROUP], blue[2 * GROUP];
} group;

INLINE lanes gather(const float *table, ints index) {
#if defined(GATHER) && defined(__x86_64__)
    return (lanes)_mm256_i32gather_ps(table, (__m256i)index, sizeof *table);
#else
    // Two indices in a register cost less to take apart than to take out one by one.
    pairs both = (pairs)index;
    lanes values;
    for (int i = 0; i < 4; i++) {
        values[2 * i] = table[(int32_t)both[i]];
        values[2 * i + 1] = table[(int32_t)(both[i] >> 32)];
    }
    return values;
#endif
}

INLINE lanes greatest(lanes a, lanes b) {
    for (int i = 0; i < 8; i++) a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
}

INLINE lanes least(lanes a, lanes b) {
    for (int i = 0; i < 8; i++) a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
}

INLINE lanes all(float x) { return (lanes){x, x, x, x, x, x, x, x}; }

INLINE lanes dot(reelway_row row, lanes red, lanes green, lanes blue) {
    return red * row.red + green * row.green + blue * row.blue;
}

// Damage may put codes above 1023 into a picture: masked, they stay inside of the tables.
INLINE block_ints codes_of_blocks(const uint16_t *samples) {
    uint16_t codes __attribute__((vector_size(8)));
    memcpy(&codes, samples, sizeof codes);
    return __builtin_convertvector(codes & 1023, block_ints);
}

INLINE ints codes_of_pixels(const uint16_t *samples) {
    uint16_t codes __attribute__((vector_size(16)));
    memcpy(&codes, samples, sizeof codes);
    return __builtin_convertvector(codes & 1023, ints);
}

// Units of chroma's offsets to steps of the table, for both pixels of each block.
INLINE ints steps(block_ints offset) {
    const int shift = REELWAY_OFFSET_BITS - REELWAY_LIGHT_BITS;
    block_ints nearest = (offset + (1 << (shift - 1))) >> shift;
    return __builtin_shufflevector(nearest, nearest, 0, 0, 1, 1, 2, 2, 3, 3);
}

INLINE lanes look_up(const float *pieces, lanes x) {
    // 2^-24 and the greatest float below 4.
    x = least(greatest(x, all(0x1p-24f)), all(0x1.fffffep1f));
    return gather(pieces, ((ints)x >> REELWAY_PIECE_SHIFT) - REELWAY_FIRST_PIECE);
}

INLINE void to_light(const reelway_light_pass *pass, reelway_source_rows from, int x, int columns, group *light) {
    for (int i = 0; i < columns; i++, x += 8) {
        block_ints cb = codes_of_blocks(from.cb + x / 2) - 512;
        block_ints cr = codes_of_blocks(from.cr + x / 2) - 512;
        offsets offset = {
            steps(cr * pass->red_by_cr), steps(cb * pass->green_by_cb + cr * pass->green_by_cr),
            steps(cb * pass->blue_by_cb)};
        ints upper = codes_of_pixels(from.upper + x) << REELWAY_LIGHT_BITS;
        ints lower = codes_of_pixels(from.lower + x) << REELWAY_LIGHT_BITS;
        light->red[2 * i] = gather(pass->light, upper + offset.red);
        light->green[2 * i] = gather(pass->light, upper + offset.green);
        light->blue[2 * i] = gather(pass->light, upper + offset.blue);
        light->red[2 * i + 1] = gather(pass->light, lower + offset.red);
        light->green[2 * i + 1] = gather(pass->light, lower + offset.green);
        light->blue[2 * i + 1] = gather(pass->light, lower + offset.blue);
    }
}

INLINE void to_display(const reelway_light_pass *pass, int columns, group *light, int ootf, int squeeze) {
    lanes gain[2 * GROUP];
    for (int i = 0; i < 2 * columns; i++) {
        gain[i] = all(1);
        if (ootf) gain[i] = look_up(pass->gain, dot(pass->luminance, light->red[i], light->green[i], light->blue[i]));
    }
    for (int i = 0; i < 2 * columns; i++) {
        lanes red = dot(pass->gamut_red, light->red[i], light->green[i], light->blue[i]);
        lanes green = dot(pass->gamut_green, light->red[i], light->green[i], light->blue[i]);
        lanes blue = dot(pass->gamut_blue, light->red[i], light->green[i], light->blue[i]);
        lanes factor = gain[i];
        if (squeeze) {
            // 1 at the knee: light below it is taken for it.
            lanes excess = greatest(greatest(greatest(red, green), blue) * factor - pass->knee, all(0));
            factor *= pass->scale * (excess + pass->upper) / ((excess + pass->lower) * (excess + pass->knee));
        }
        if (ootf || squeeze) {
            red *= factor;
            green *= factor;
            blue *= factor;
        }
        light->red[i] = red;
        light->green[i] = green;
        light->blue[i] = blue;
    }
}

INLINE signals signals_of(const reelway_light_pass *pass, const group *light, int i) {
    lanes red = look_up(pass->signal, light->red[i]);
    lanes green = look_up(pass->signal, light->green[i]);
    lanes blue = look_up(pass->signal, light->blue[i]);
    // BT.709, 3.2.
    return (signals){red, blue, red * 0.2126f + green * 0.7152f + blue * 0.0722f};
}

INLINE void store_luma(uint8_t *target, lanes luma) {
    uint8_t codes __attribute__((vector_size(8)));
    codes = __builtin_convertvector(__builtin_convertvector(luma * 219 + 16.5f, ints), __typeof__(codes));
    memcpy(target, &codes, sizeof codes);
}

// `difference` is the sum of two rows, of B' - Y' or R' - Y'.
INLINE void store_chroma(uint8_t *target, lanes difference, float weight) {
    block_lanes sum = __builtin_shufflevector(difference, difference, 0, 2, 4, 6) +
                      __builtin_shufflevector(difference, difference, 1, 3, 5, 7);
    uint8_t codes __attribute__((vector_size(4)));
    codes = __builtin_convertvector(__builtin_convertvector(sum * weight + 128.5f, block_ints), __typeof__(codes));
    memcpy(target, &codes, sizeof codes);
}

INLINE void to_codes(const reelway_light_pass *pass, const group *light, reelway_target_rows to, int x, int columns) {
    for (int i = 0; i < columns; i++, x += 8) {
        signals upper = signals_of(pass, light, 2 * i);
        signals lower = signals_of(pass, light, 2 * i + 1);
        store_luma(to.upper + x, upper.luma);
        store_luma(to.lower + x, lower.luma);
        // BT.709, 3.3, of the mean of four pixels.
        store_chroma(to.cb + x / 2, (upper.blue - upper.luma) + (lower.blue - lower.luma), 224 / 1.8556f / 4);
        store_chroma(to.cr + x / 2, (upper.red - upper.luma) + (lower.red - lower.luma), 224 / 1.5748f / 4);
    }
}

INLINE void convert_group(
    const reelway_light_pass *pass, reelway_source_rows from, reelway_target_rows to, int x, int columns, int ootf,
    int squeeze) {
    group light;
    to_light(pass, from, x, columns, &light);
    to_display(pass, columns, &light, ootf, squeeze);
    to_codes(pass, &light, to, x, columns);
}

INLINE void convert_rows(
    const reelway_light_pass *pass, reelway_source_rows from, reelway_target_rows to, int width, int ootf, int squeeze) {
    int x = 0;
    for (; x + 8 * GROUP <= width; x += 8 * GROUP) convert_group(pass, from, to, x, GROUP, ootf, squeeze);
    for (; x + 8 <= width; x += 8) convert_group(pass, from, to, x, 1, ootf, squeeze);
    if (x == width) return;
    // The last blocks, in rows of their own.
    uint16_t samples[4][8] = {0};
    uint8_t codes[4][8];
    size_t pixels = (size_t)(width - x), blocks = pixels / 2;
    memcpy(samples[0], from.upper + x, 2 * pixels);
    memcpy(samples[1], from.lower + x, 2 * pixels);
    memcpy(samples[2], from.cb + x / 2, 2 * blocks);
    memcpy(samples[3], from.cr + x / 2, 2 * blocks);
    convert_group(
        pass, (reelway_source_rows){samples[0], samples[1], samples[2], samples[3]},
        (reelway_target_rows){codes[0], codes[1], codes[2], codes[3]}, 0, 1, ootf, squeeze);
    memcpy(to.upper + x, codes[0], pixels);
    memcpy(to.lower + x, codes[1], pixels);
    memcpy(to.cb + x / 2, codes[2], blocks);
    memcpy(to.cr + x / 2, codes[3], blocks);
}

// Constant arguments make three loops of one.
void ROWS(const reelway_light_pass *pass, reelway_source_rows from, reelway_target_rows to, int width) {
    if (pass->gain) convert_rows(pass, from, to, width, 1, 1);
    else if (pass->scale != 0) convert_rows(pass, from, to, width, 0, 1);
    else convert_rows(pass, from, to, width, 0, 0);
}

#if defined(AVX2) && defined(__x86_64__)
#pragma clang attribute pop
#endif
