#define ROWS reelway_light_rows_avx2
#define AVX2
#include "rows.h"
