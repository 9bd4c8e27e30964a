#define ROWS reelway_light_rows
#include "rows.h"
