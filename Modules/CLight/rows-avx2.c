#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define ROWS reelway_light_rows_avx2
#include "rows.h"
#pragma clang attribute pop
#else
#include <CLight.h>

void reelway_light_rows_avx2(
    const reelway_light_pass *pass, reelway_source_rows from, reelway_target_rows to, int width) {
    reelway_light_rows(pass, from, to, width);
}
#endif
