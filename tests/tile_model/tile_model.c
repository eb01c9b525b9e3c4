/* tile_model.c - see tile_model.h. Written from the description of the instructions in Intel's
 * manual (SDM volume 2, LDTILECFG to TILEZERO). */
#include "tile_model.h"

#include "cpu_tiles.h"
#include "half.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, CONFIG_BYTES = 64 };
enum { COLSB_AT = 16, COLSB_END = 32, ROWS_AT = 48, ROWS_END = 56 }; /* in a configuration */

typedef struct tile {
  size_t rows, colsb;
  unsigned char data[ROWS][ROW_BYTES];
} tile;

static _Thread_local struct {
  bool configured, caught;
  unsigned char config[CONFIG_BYTES];
  tile tiles[TILES];
  const char *fault;
} state;
static atomic_uint in_use;
static atomic_ulong loads;

void gm_tile_model_catch(void) {
  state.caught = true;
}

const char *gm_tile_model_fault(void) {
  const char *fault = state.fault;
  state.fault = NULL;
  return fault;
}

unsigned gm_tile_model_in_use(void) {
  return atomic_load(&in_use);
}

unsigned long gm_tile_model_loads(void) {
  return atomic_load(&loads);
}

/* True: all is well. */
static bool require(bool well, const char *fault) {
  if (well) return true;
  if (!state.caught) {
    fprintf(stderr, "tile model: %s\n", fault);
    abort();
  }
  if (!state.fault) state.fault = fault;
  return false;
}

static bool is_zero(const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (bytes[i] != 0) return false;
  return true;
}

/* ---- configuration ---- */

static bool read_config(tile tiles[TILES], const unsigned char *config) {
  if (!require(config[1] == 0, "a configuration's first row is not 0")) return false;
  bool zeros = is_zero(config + 2, COLSB_AT - 2) &&
               is_zero(config + COLSB_END, ROWS_AT - COLSB_END) &&
               is_zero(config + ROWS_END, CONFIG_BYTES - ROWS_END);
  if (!require(zeros, "reserved bytes of a configuration are not 0")) return false;
  for (size_t i = 0; i < TILES; i++) {
    uint16_t colsb;
    memcpy(&colsb, config + COLSB_AT + 2 * i, 2);
    size_t rows = config[ROWS_AT + i];
    if (!require(colsb <= ROW_BYTES, "a tile's rows are longer than the palette's"))
      return false;
    if (!require(rows <= ROWS, "a tile has more rows than the palette's")) return false;
    if (!require((rows == 0) == (colsb == 0), "a tile has rows or bytes, but not both"))
      return false;
    tiles[i] = (tile){.rows = rows, .colsb = colsb};
  }
  return true;
}

static void set_configured(bool configured) {
  if (configured && !state.configured) atomic_fetch_add(&in_use, 1);
  if (!configured && state.configured) atomic_fetch_sub(&in_use, 1);
  state.configured = configured;
}

void gm_tile_model_release(void) {
  memset(state.tiles, 0, sizeof state.tiles);
  memset(state.config, 0, sizeof state.config);
  set_configured(false);
}

void gm_tile_model_loadconfig(const void *config) {
  tile tiles[TILES];
  const unsigned char *bytes = config;
  if (!require(bytes[0] <= 1, "a configuration's palette is neither 0 nor 1")) return;
  if (bytes[0] == 0) {
    gm_tile_model_release();
    return;
  }
  if (!read_config(tiles, bytes)) return;
  memcpy(state.config, bytes, sizeof state.config);
  memcpy(state.tiles, tiles, sizeof tiles);
  set_configured(true);
  atomic_fetch_add(&loads, 1);
}

void gm_tile_model_storeconfig(void *config) {
  memcpy(config, state.config, sizeof state.config);
}

/* ---- loads and stores ---- */

/* The tile, NULL: a fault. */
static tile *tile_of(int i) {
  if (!require(state.configured, "tiles are used without a configuration")) return NULL;
  if (!require(i >= 0 && i < TILES, "the palette has no tile of this number")) return NULL;
  return require(state.tiles[i].rows > 0, "a tile is used that is not configured")
             ? &state.tiles[i]
             : NULL;
}

static bool rows_apart(const tile *t, long stride) {
  return require((size_t)labs(stride) >= t->colsb, "a tile's rows overlap in memory");
}

void gm_tile_model_zero(int i) {
  tile *t = tile_of(i);
  if (t) memset(t->data, 0, sizeof t->data);
}

void gm_tile_model_load(int i, const void *base, long stride) {
  tile *t = tile_of(i);
  if (!t || !rows_apart(t, stride)) return;
  memset(t->data, 0, sizeof t->data);
  for (size_t r = 0; r < t->rows; r++)
    memcpy(t->data[r], (const char *)base + (long)r * stride, t->colsb);
}

void gm_tile_model_store(int i, void *base, long stride) {
  const tile *t = tile_of(i);
  if (!t || !rows_apart(t, stride)) return;
  for (size_t r = 0; r < t->rows; r++)
    memcpy((char *)base + (long)r * stride, t->data[r], t->colsb);
}

/* ---- products ---- */

/* Three tiles of a product [rows, n] += [rows, k] . [k, n]. */
typedef struct factors {
  tile *sums;
  const tile *a, *b;
} factors;

static bool take(factors *f, int sums, int a, int b) {
  *f = (factors){tile_of(sums), tile_of(a), tile_of(b)};
  if (!f->sums || !f->a || !f->b) return false;
  return require(sums != a && sums != b && a != b, "two of a product's tiles are the same") &&
         require(f->sums->colsb % 4 == 0 && f->a->colsb % 4 == 0 && f->b->colsb % 4 == 0,
                 "a product's rows do not end at four bytes") &&
         require(f->sums->rows == f->a->rows, "sums and first factor differ in rows") &&
         require(f->a->colsb / 4 == f->b->rows, "the factors differ in depth") &&
         require(f->sums->colsb == f->b->colsb, "sums and second factor differ in columns");
}

static int32_t byte_of(unsigned char byte, bool is_signed) {
  return is_signed ? (int8_t)byte : (int32_t)byte;
}

void gm_tile_model_bytes(int sums, int a, int b, bool a_signed, bool b_signed) {
  factors f;
  if (!take(&f, sums, a, b)) return;
  for (size_t r = 0; r < f.sums->rows; r++)
    for (size_t j = 0; j < f.sums->colsb / 4; j++) {
      uint32_t sum;
      memcpy(&sum, f.sums->data[r] + 4 * j, 4);
      for (size_t i = 0; i < f.a->colsb; i++)
        sum += (uint32_t)(byte_of(f.a->data[r][i], a_signed) *
                          byte_of(f.b->data[i / 4][4 * j + i % 4], b_signed));
      memcpy(f.sums->data[r] + 4 * j, &sum, 4);
    }
}

/* Denormal numbers count as zero, and what becomes one is zero, with its sign. The manual says
 * DAZ = FTZ = 1 whatever MXCSR has. Assumed: a result is small or not after it was rounded, as
 * everywhere else in SSE; fmaf rounds denormal ones coarser, so that a result just below
 * FLT_MIN, by less than 2^-150, might be flushed where the model gives FLT_MIN. */
static float flushed(float v) {
  return fabsf(v) < FLT_MIN ? copysignf(0, v) : v;
}

static float bf16_at(const unsigned char *bytes) {
  uint16_t v;
  memcpy(&v, bytes, 2);
  return flushed(gm_bf16_to_f32(v));
}

/* Pairs of a row of a tile as floats. */
static void widen(float out[ROW_BYTES / 2], const unsigned char *row) {
  for (size_t i = 0; i < ROW_BYTES / 2; i++) out[i] = bf16_at(row + 2 * i);
}

/* The first and the second numbers of the pairs are two chains of fused multiply-adds, in the
 * order of k, that begin at zero; their sum is rounded, and then added to the sum so far. */
static float bf16_sum(float sum, const float *a, const float (*b)[ROW_BYTES / 2], size_t column,
                      size_t pairs) {
  float even = 0, odd = 0;
  for (size_t i = 0; i < pairs; i++) {
    even = flushed(fmaf(a[2 * i], b[i][2 * column], even));
    odd = flushed(fmaf(a[2 * i + 1], b[i][2 * column + 1], odd));
  }
  return flushed(flushed(sum) + flushed(even + odd));
}

void gm_tile_model_bf16(int sums, int a, int b) {
  factors f;
  float left[ROW_BYTES / 2], right[ROWS][ROW_BYTES / 2];
  if (!take(&f, sums, a, b)) return;
  for (size_t i = 0; i < ROWS; i++) widen(right[i], f.b->data[i]);
  for (size_t r = 0; r < f.sums->rows; r++) {
    widen(left, f.a->data[r]);
    for (size_t j = 0; j < f.sums->colsb / 4; j++) {
      float sum;
      memcpy(&sum, f.sums->data[r] + 4 * j, 4);
      sum = bf16_sum(sum, left, right, j, f.a->colsb / 4);
      memcpy(f.sums->data[r] + 4 * j, &sum, 4);
    }
  }
}

/* ---- permission ---- */

static atomic_bool refusing;
static atomic_uint asked;

void gm_tile_model_refuse(void) {
  atomic_store(&refusing, true);
}

unsigned gm_tile_model_asked(void) {
  return atomic_load(&asked);
}

gm_tiles gm_cpu_tiles(void) {
  atomic_fetch_add(&asked, 1);
  return atomic_load(&refusing) ? GM_TILES_REFUSED : GM_TILES_READY;
}
