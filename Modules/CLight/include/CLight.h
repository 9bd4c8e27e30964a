// The inner loop of the conversion by way of light (`LightPass` in Sources/Media): in C, as Swift compiles a target for
// one instruction set only, and the wider one that most machines have halves its time.
#pragma once

#include <stdint.h>

typedef struct {
    float red, green, blue;
} reelway_row;

// What a description of colours changes in the arithmetic. The tables belong to the caller.
typedef struct {
    // Light by R'G'B' signal, 2^REELWAY_LIGHT_BITS steps a luma code. Begins at code 0; REELWAY_LIGHT_CODES lie on either
    // side of 0...1023.
    const float *light;
    // Signal by light, and HLG's OOTF factor by scene luminance (NULL: has none): see REELWAY_FIRST_PIECE.
    const float *signal;
    const float *gain;
    // Chroma codes to luma codes, in units of 2^-REELWAY_OFFSET_BITS codes: red by Cr, green by Cb and Cr, blue by Cb.
    int32_t red_by_cr, green_by_cb, green_by_cr, blue_by_cb;
    // Linear RGB to that of BT.709.
    reelway_row gamut_red, gamut_green, gamut_blue;
    // Luminance of the source's linear RGB.
    reelway_row luminance;
    // The tone curve above its knee, for the excess e: scale (e + upper) / ((e + lower) (e + knee)). Scale 0: has none.
    float knee, scale, upper, lower;
} reelway_light_pass;

enum {
    REELWAY_OFFSET_BITS = 20,
    REELWAY_LIGHT_BITS = 5,
    REELWAY_LIGHT_CODES = 1024,
    // A piece of `signal` and `gain` is the floats of equal sign, exponent and 10 bits of the mantissa, from 2^-24 (0.2
    // codes in 8 bits) to below 4; all that is less counts as the first one, all that is more as the last one.
    REELWAY_PIECE_SHIFT = 13,
    REELWAY_FIRST_PIECE = 103 << 10,
    REELWAY_PIECES = 26 << 10,
};

// Two rows of luma and the row of chroma that belongs to them, 10 bits each (what lies above is ignored), and the same
// in 8 bits.
typedef struct {
    const uint16_t *upper, *lower, *cb, *cr;
} reelway_source_rows;

typedef struct {
    uint8_t *upper, *lower, *cb, *cr;
} reelway_target_rows;

// `width` is even. All give the same codes. The second needs AVX2, the third uses its gathering look-ups, which some
// processors take long for; both are the first on other processors than x86.
void reelway_light_rows(const reelway_light_pass *, reelway_source_rows, reelway_target_rows, int width);
void reelway_light_rows_avx2(const reelway_light_pass *, reelway_source_rows, reelway_target_rows, int width);
void reelway_light_rows_gather(const reelway_light_pass *, reelway_source_rows, reelway_target_rows, int width);
