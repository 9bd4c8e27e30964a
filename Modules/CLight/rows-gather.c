#define ROWS reelway_light_rows_gather
#define AVX2
#define GATHER
#include "rows.h"
