/* tiles_amx.c - the configuration of a thread's tiles. */
#include "amx/kernels_amx.h"

#include <immintrin.h>

typedef struct config {
  uint8_t palette, first_row, reserved[14];
  uint16_t colsb[16];
  uint8_t rows[16];
} config;
_Static_assert(sizeof(config) == 64, "as ldtilecfg reads it");

static const config all_tiles = {.palette = 1,
                                 .colsb = {64, 64, 64, 64, 64, 64, 64, 64},
                                 .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

void gm_begin_amx(void) {
  _tile_loadconfig(&all_tiles);
}

/* A thread that keeps its configuration has 8 KB more to save at each switch. */
void gm_end_amx(void) {
  _tile_release();
}
